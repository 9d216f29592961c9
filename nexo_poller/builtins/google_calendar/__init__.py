"""The kind `google_calendar`: what has changed in a calendar, by the incremental synchronisation of Calendar v3.

The protocol: https://developers.google.com/workspace/calendar/api/guides/sync. The first tick follows every page to a
sync token and sends nothing: that is the state against which differences are told. A series of events is told as one,
and an instance of it when it is changed by itself; expanded, a new daily meeting would be hundreds of messages.
"""
