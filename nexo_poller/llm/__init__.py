"""Language models, by the names of their providers, each asked through the SDK of its wire.

Theory of operation. `Providers` finds who is asked; `SdkProvider` keeps to the rate that the provider allows, and asks
again while an answer may come in a moment; a wire puts one request into its SDK and takes one answer out. The SDKs' own
retries are off: they would be sent past the rate limit, and wait as they see fit. What may pass only later ends the tick
as transient, so that the job backs off, and what no retry can mend as permanent.

Keys come from the configuration only, never from the environment by the SDKs' own choice: what is not known cannot be
masked, and the key of one provider would be sent to the address of another. Redirects are not followed, for the same
reason. The addresses are the operator's own, so that no guard stands before them (O1).
"""
