"""From a request to a job: what the request, the app and the systems say, made one."""
