"""Its being here makes pytest put this folder on the path, so that tests in subfolders can import from it."""
