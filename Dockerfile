# The same as `make run`, for a container: not root, the production server, a health check.
FROM python:3.11-slim AS build
COPY requirements.txt .
RUN python -m venv /opt/doorkey && /opt/doorkey/bin/pip install --no-cache-dir -r requirements.txt

FROM python:3.11-slim
RUN useradd --system --uid 10001 --home-dir /app --shell /usr/sbin/nologin doorkey \
    && install -d -o doorkey -g doorkey -m 0700 /data
COPY --from=build /opt/doorkey /opt/doorkey
WORKDIR /app
COPY app.py ./
COPY doorkey ./doorkey
COPY templates ./templates
COPY static ./static
COPY deploy ./deploy
ENV PATH=/opt/doorkey/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    HOST=0.0.0.0 \
    PORT=8000 \
    DOORKEY_INSTANCE=/data
USER 10001
VOLUME /data
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=3s --start-period=5s \
    CMD ["python", "-c", "import os, urllib.request; urllib.request.urlopen('http://127.0.0.1:' + os.environ.get('DOORKEY_PORT', os.environ['PORT']) + '/healthz', timeout=2)"]
CMD ["python", "app.py"]
