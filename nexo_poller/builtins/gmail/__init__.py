"""The kind `gmail`: mails that match a search, each once, marked as read when its message is safe.

Order of effects, which is what keeps a crash from losing a mail or sending it twice: a tick only reads; its messages
and the ids of their mails are committed together; the next tick marks those mails as read, and forgets an id only when
Gmail has said yes. Marking twice harms nobody.
"""
