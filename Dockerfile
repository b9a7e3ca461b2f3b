# One image for every level; what it runs is said by the command.
FROM python:3.13-slim
RUN useradd --create-home --uid 1000 uploads && install -d -o uploads /data
WORKDIR /srv
COPY pyproject.toml README.md ./
COPY shared ./shared
COPY level1_single_request ./level1_single_request
COPY level2_disk_chunks ./level2_disk_chunks
COPY level3_s3_multipart ./level3_s3_multipart
RUN pip install --no-cache-dir -e .
USER uploads
VOLUME /data
ENTRYPOINT ["upload-levels", "serve"]
# Inside a container the address is the container's own; which port is published, whoever runs it decides.
CMD ["3", "--host", "0.0.0.0", "--port", "8003", "--data", "/data"]
