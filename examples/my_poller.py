"""A kind of one's own: tells when the version that a JSON document names has changed."""

from attrs import frozen

from nexo_poller import Deliver, OutboundDelivery, PollContext, Poller, TickAck, TransientError


@frozen
class VersionConfig:
    url: str
    deliver: Deliver
    allow_private_networks: bool = False


class VersionPoller(Poller[VersionConfig]):
    kind = "version"
    description = "Tells when the version that a JSON document names has changed."
    config_type = VersionConfig

    async def tick(self, ctx: PollContext[VersionConfig]) -> TickAck:
        answer = await ctx.http.get(ctx.config.url)
        if not answer.is_success:
            raise TransientError(f"{ctx.config.url} answered {answer.status_code}")
        version = answer.json()["version"]
        if version.encode() == ctx.cursor:
            return TickAck()
        to = ctx.config.deliver
        news = OutboundDelivery(channel=to.channel, recipient=to.to, payload=f"version {version} is out")
        return TickAck(deliver=[news], next_cursor=version.encode())
