from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexo_poller.config.plugins import PluginManifest
from nexo_poller.errors import PollerRouteRegistrationError
from nexo_poller.plugins.router import Entrypoint, PluginPollerHandle, PluginPollerRouter, handle_of


def handle(plugin_id: str, *kinds: str, **fields: Any) -> PluginPollerHandle:
    return PluginPollerHandle(plugin_id=plugin_id, kinds=kinds, broker_topic_prefix=f"plugin.{plugin_id}", **fields)


def test_a_kind_leads_to_the_plugin_that_owns_it() -> None:
    router = PluginPollerRouter()
    jira, mail = handle("acme", "jira", "linear"), handle("post", "mail")
    router.register(jira)
    router.register(mail)
    assert [router.handle_for_kind(kind) for kind in ("jira", "linear", "mail", "rss")] == [jira, jira, mail, None]
    assert (router.handles_for_plugin("acme"), router.handles_for_plugin("nobody")) == ((jira,), ())
    assert len(router) == 2


def test_a_kind_that_another_plugin_owns_is_refused_with_both_named_and_nothing_is_registered() -> None:
    router = PluginPollerRouter()
    router.register(handle("acme", "jira"))
    with pytest.raises(PollerRouteRegistrationError) as caught:
        router.register(handle("rival", "linear", "jira"))
    assert str(caught.value) == "the kind 'jira' of plugin 'rival' is owned by plugin 'acme' already"
    assert (len(router), router.handle_for_kind("linear")) == (1, None)


def test_registering_an_id_again_replaces_it_with_its_kinds() -> None:
    router = PluginPollerRouter()
    router.register(handle("acme", "jira", "linear"))
    newer = handle("acme", "jira", "stripe", max_concurrent_ticks=4)
    router.register(newer)
    assert [router.handle_for_kind(kind) for kind in ("jira", "linear", "stripe")] == [newer, None, newer]
    assert router.handles_for_plugin("acme") == (newer,)
    assert len(router) == 1


def test_a_replacement_that_is_refused_leaves_the_old_one() -> None:
    router = PluginPollerRouter()
    router.register(handle("acme", "jira"))
    router.register(handle("post", "mail"))
    with pytest.raises(PollerRouteRegistrationError):
        router.register(handle("post", "mail", "jira"))
    assert router.handles_for_plugin("post") == (handle("post", "mail"),)


def test_the_kinds_of_a_plugin_that_is_unregistered_are_free() -> None:
    router = PluginPollerRouter()
    router.register(handle("acme", "jira"))
    router.unregister("acme")
    router.unregister("acme")
    router.register(handle("rival", "jira"))
    assert router.handle_for_kind("jira") == handle("rival", "jira")


@given(
    st.lists(
        st.tuples(st.booleans(), st.sampled_from("abc"), st.lists(st.sampled_from("vwxyz"), min_size=1, max_size=3))
    )
)
def test_whatever_is_registered_a_kind_has_one_owner_and_every_owner_is_there(
    steps: list[tuple[bool, str, list[str]]],
) -> None:
    router = PluginPollerRouter()
    expected: dict[str, set[str]] = {}
    for adds, plugin_id, kinds in steps:
        taken = {kind for other, owned in expected.items() if other != plugin_id for kind in owned}
        if not adds:
            router.unregister(plugin_id)
            expected.pop(plugin_id, None)
        elif taken & set(kinds):
            with pytest.raises(PollerRouteRegistrationError):
                router.register(handle(plugin_id, *kinds))
        else:
            router.register(handle(plugin_id, *kinds))
            expected[plugin_id] = set(kinds)
        found = {kind: owner.plugin_id for kind in "vwxyz" if (owner := router.handle_for_kind(kind))}
        assert found == {kind: owner for owner, owned in expected.items() for kind in owned}
        assert len(router) == len(expected)


def test_a_handle_is_what_the_manifest_says(tmp_path: Path) -> None:
    manifest = PluginManifest(
        id="acme",
        version="1",
        name="Acme",
        command="/bin/cat",
        args=("-u",),
        env={"KEY": "s3cret"},
        kinds=("jira",),
        broker_topic_prefix="plugin.poller.jira",
        lifecycle="ephemeral",
        max_concurrent_ticks=3,
        tick_timeout=timedelta(seconds=5),
        publish=("a.>",),
        folder=tmp_path,
        path=tmp_path / "nexo-plugin.toml",
    )
    made = handle_of(manifest)
    assert made == PluginPollerHandle(
        plugin_id="acme",
        kinds=("jira",),
        broker_topic_prefix="plugin.poller.jira",
        lifecycle="ephemeral",
        max_concurrent_ticks=3,
        tick_timeout=timedelta(seconds=5),
        entrypoint=Entrypoint(command="/bin/cat", args=("-u",), env={"KEY": "s3cret"}, folder=tmp_path),
        publish=("a.>",),
    )
    assert made.tick_topic == "plugin.poller.jira.tick"
    assert "s3cret" not in repr(made) + repr(manifest)
