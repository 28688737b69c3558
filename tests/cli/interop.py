"""Runs huggingface_hub on a cache: `scan`, `find`, `fetch` and `push`. Each prints one JSON line.

usage: interop.py scan CACHE | find CACHE REPO REVISION | fetch CACHE REPO REVISION
                | push CACHE REPO FOLDER
"""

import json
import sys

from huggingface_hub import HfApi, scan_cache_dir, snapshot_download

task, cache = sys.argv[1:3]
if task == "scan":
    found = scan_cache_dir(cache)
    repos = [
        {
            "id": repo.repo_id,
            "revisions": [
                {
                    "hash": revision.commit_hash,
                    "refs": sorted(revision.refs),
                    "files": sorted(file.file_name for file in revision.files),
                }
                for revision in repo.revisions
            ],
        }
        for repo in found.repos
    ]
    print(json.dumps({"repos": repos, "warnings": [str(text) for text in found.warnings]}))
elif task == "push":
    repo, folder = sys.argv[3:5]
    api = HfApi(token="hf_test")
    api.create_repo(repo, private=True, exist_ok=True)
    made = api.upload_folder(repo_id=repo, folder_path=folder, commit_message="Upload")
    print(json.dumps({"commit": made.oid}))
else:
    repo, revision = sys.argv[3:5]
    path = snapshot_download(
        repo, revision=revision, cache_dir=cache, local_files_only=task == "find"
    )
    print(json.dumps({"path": path}))
