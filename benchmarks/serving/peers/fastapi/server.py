"""A FastAPI application as Google's guide to custom containers writes it, run by uvicorn with WORKERS processes."""

import os
from typing import Any

import torch
import uvicorn
from fastapi import FastAPI, Request
from pictures import vision

app = FastAPI()
model = vision.load(os.environ["AIP_STORAGE_URI"]) if __name__ != "__main__" else None


@app.get(os.environ["AIP_HEALTH_ROUTE"], status_code=200)
def health() -> dict[str, str]:
    """Say that it is up."""
    return {"status": "healthy"}


@app.post(os.environ["AIP_PREDICT_ROUTE"])
async def predict(request: Request) -> dict[str, Any]:
    """Answer a request."""
    body = await request.json()
    batch = torch.stack([vision.decoded(instance) for instance in body["instances"]])
    return {"predictions": [vision.best(row) for row in vision.scores(model, batch)]}


if __name__ == "__main__":
    port, workers = int(os.environ["AIP_HTTP_PORT"]), int(os.environ["WORKERS"])
    uvicorn.run("server:app", host="0.0.0.0", port=port, workers=workers, access_log=False)  # noqa: S104
