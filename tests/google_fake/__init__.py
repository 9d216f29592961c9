"""A Google of our own on loopback: OAuth 2.0, Gmail v1 and Calendar v3 as Google documents them.

    async with google_fake() as google:
        ana = google.account("ana@example.com")
        lead = ana.mailbox.receive(mail(subject="Lead"))
        credentials = google.credentials(ana, tmp_path)  # what `host.credentials_get("google")` gives
        client = accounts.client(credentials, http)      # with `google.endpoints`
    assert google.refreshes == 1

Every request and every answer is held against the discovery documents that ship inside the PyPI package
google-api-python-client. A parameter or a field that they do not know is answered with 400, and leaving the block fails
unless the test empties `google.refused`. An answer that the documents do not allow fails the test at once.
"""

from google_fake.fake import Account, GoogleFake, google_fake
from google_fake.faults import Fault
from google_fake.mails import mail

__all__ = ["Account", "Fault", "GoogleFake", "google_fake", "mail"]
