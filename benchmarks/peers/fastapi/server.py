"""A FastAPI application as Google's guide to custom containers writes it, run by uvicorn."""

import os
from typing import Any

import uvicorn
from fastapi import FastAPI, Request
from tone import load, tone

app = FastAPI()
load()


@app.get(os.environ["AIP_HEALTH_ROUTE"], status_code=200)
def health() -> dict[str, str]:
    """Say that it is up."""
    return {"status": "healthy"}


@app.post(os.environ["AIP_PREDICT_ROUTE"])
async def predict(request: Request) -> dict[str, Any]:
    """Answer a request."""
    body = await request.json()
    return {"predictions": [tone(each) for each in body["instances"]]}


if __name__ == "__main__":
    uvicorn.run(app, host="0.0.0.0", port=int(os.environ["AIP_HTTP_PORT"]))  # noqa: S104
