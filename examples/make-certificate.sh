#!/bin/sh
# Makes certs/localhost.pem anew: a certificate that signs itself, for trying things out on one machine. Its key is public.
set -eu
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
touch "$work/index"
cat > "$work/conf" <<CONF
[ca]
default_ca = this
[this]
database = $work/index
new_certs_dir = $work
rand_serial = yes
default_md = sha256
policy = any
x509_extensions = server
[any]
commonName = supplied
[server]
subjectAltName = DNS:localhost, DNS:*.localhost, IP:127.0.0.1, IP:::1
basicConstraints = critical, CA:FALSE
extendedKeyUsage = serverAuth
CONF
openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout "$work/key" -out "$work/request" -subj /CN=localhost
openssl ca -batch -config "$work/conf" -selfsign -keyfile "$work/key" -in "$work/request" -notext \
    -startdate 20200101000000Z -enddate 21200101000000Z -out "$work/certificate"
cat "$work/certificate" "$work/key" > certs/localhost.pem
