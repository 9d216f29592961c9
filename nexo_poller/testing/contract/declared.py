"""What a poller says of itself, and which configs it takes."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from nexo_poller.config.manifest_tables import KIND
from nexo_poller.errors import ConfigError
from nexo_poller.testing.contract.trial import Trial
from nexo_poller.testing.routes import NoRoute

UNKNOWN_KEY: Final = "no_such_key"
PLACEHOLDER: Final = re.compile(r"\{([\w.]+)\}")
REACHED_OBJECT: Final = "<class "


def check(trial: Trial, bad: Sequence[Mapping[str, Any]]) -> bool:
    """Kind, description and configs; whether the poller takes the good one, without which nothing more can be tried."""
    poller = trial.poller
    if isinstance(poller, type):
        trial.wrong("It is a class.", f"Give an instance of it: {poller.__name__}().")
        return False
    kind = getattr(poller, "kind", None)
    if not isinstance(kind, str) or not KIND.fullmatch(kind):
        trial.wrong(
            f"Its kind is {kind!r}.",
            "Set `kind` to what `pollers.yaml` calls it: two or more of a-z 0-9 _, a letter first.",
        )
        return False
    if not poller.description.strip():
        trial.wrong("It has no description.", "Set `description` to a sentence: what it tells people.")
    if not hasattr(poller, "config_type"):
        trial.wrong("It has no config_type.", "Set `config_type` to an attrs class with a field for every key.")
        return False
    try:
        trial.structured(trial.good)
    except ConfigError as error:
        trial.wrong(f"It refuses the good config: {error}", "Mend the test's config, or `validate`.")
        return False
    for config in ({**trial.good, UNKNOWN_KEY: True}, *bad):
        _check_refusal(trial, config)
    return True


def _check_refusal(trial: Trial, config: Mapping[str, Any]) -> None:
    try:
        trial.structured(config)
    except ConfigError as error:
        if error.__cause__ is not None:  # not a word of the poller's
            trial.wrong(str(error), "Let `validate` raise `ConfigError` with what is wrong and what to do.")
        return
    if UNKNOWN_KEY in config:
        trial.wrong(
            f"It ignores an unknown config key ('{UNKNOWN_KEY}'): an operator's typo would go unnoticed.",
            "Make `config_type` an attrs class with a field for every key: then unknown ones are refused.",
        )
    else:
        trial.wrong(f"It takes the bad config {config!r}.", "Let `validate` raise `ConfigError` for it.")


async def check_templates(trial: Trial) -> None:
    """Templates of the config must not lead into Python's objects, nor a stray brace into an error at every tick."""
    for key, template in trial.good.items():
        if not isinstance(template, str) or not PLACEHOLDER.search(template):
            continue
        for hostile in (PLACEHOLDER.sub(r"{\1.__class__}", template), template + " {"):
            try:
                result = await trial.tick(config={**trial.good, key: hostile})
            except (ConfigError, NoRoute):  # refused, or part of a URL, where nobody answers
                continue
            sent = [delivery.payload for delivery in result.deliveries] + [str(one) for one in result.published]
            if result.error is not None or REACHED_OBJECT in json.dumps(sent, default=str):
                said = f"fails with {result.error}" if result.error else f"sends {sent[0]!r}"
                trial.wrong(
                    f"Its '{key}' is not safe: with {hostile!r} it {said}.",
                    "Fill templates in with `nexo_poller.template.render` instead of str.format.",
                )
                break
