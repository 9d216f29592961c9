"""The HTTP that jobs speak: guarded, limited, well-mannered. `HttpPools` is the way in, `answers` and `errors` the way out."""
