#!/bin/sh
# Makes the files of this folder with OpenSSL 3: what rcgen cannot make. All are worthless outside these tests.
set -eu
days=36500
password=pass:qlik
new_key() { openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$1"; }

# An old site: the root is of version 1, and the leaves are signed by it.
new_key v1_root_key.pem
openssl req -new -key v1_root_key.pem -subj /CN=old-site-CA -out v1_root.csr
openssl x509 -req -in v1_root.csr -signkey v1_root_key.pem -days $days -out v1_root.pem
new_key server_key.pem
openssl req -new -key server_key.pem -subj /CN=localhost -out server.csr
echo "subjectAltName=DNS:localhost" >san.ext
sign() { openssl x509 -req -in server.csr -CA v1_root.pem -CAkey v1_root_key.pem -CAcreateserial -days $days "$@"; }
sign -extfile san.ext -out v3_by_v1_root.pem
sign -out v1_leaf.pem
sign -extfile san.ext -sha1 -out sha1_leaf.pem
openssl genrsa -out short_root_key.pem 1024
openssl req -new -x509 -key short_root_key.pem -subj /CN=short-CA -days $days -out short_root.pem
openssl x509 -req -in server.csr -CA short_root.pem -CAkey short_root_key.pem -CAcreateserial -days $days \
    -extfile san.ext -out leaf_by_short_root.pem

# A client with an RSA key, as the QMC issues it, in every form.
openssl genrsa -out client_pkcs8.pem 2048
openssl req -new -key client_pkcs8.pem -subj /CN=QlikClient -out client.csr
echo "extendedKeyUsage=clientAuth" >client.ext
openssl x509 -req -in client.csr -CA v1_root.pem -CAkey v1_root_key.pem -CAcreateserial -days $days \
    -extfile client.ext -out client.pem
openssl rsa -in client_pkcs8.pem -traditional -out client_pkcs1.pem
openssl pkcs8 -topk8 -in client_pkcs8.pem -passout $password -out client_pbes2_aes.pem
openssl pkcs8 -topk8 -in client_pkcs8.pem -passout $password -v2 des3 -v2prf hmacWithSHA1 -out client_pbes2_3des.pem
openssl pkcs8 -topk8 -in client_pkcs8.pem -passout $password -v1 PBE-SHA1-3DES -out client_pbes1.pem
openssl rsa -in client_pkcs8.pem -traditional -aes256 -passout $password -out client_dek_aes256.pem
openssl rsa -in client_pkcs8.pem -traditional -aes128 -passout $password -out client_dek_aes128.pem
openssl rsa -in client_pkcs8.pem -traditional -des3 -passout $password -out client_dek_3des.pem
openssl ec -in server_key.pem -out server_sec1.pem
pfx() { openssl pkcs12 -export -certfile v1_root.pem -in client.pem -passout $password "$@"; }
pfx -inkey client_pkcs8.pem -out client_aes.pfx
pfx -inkey client_pkcs8.pem -keypbe PBE-SHA1-3DES -certpbe PBE-SHA1-3DES -macalg sha1 -out client_3des.pfx
pfx -nokeys -out no_key.pfx
rm -f *.csr *.srl *.ext v1_root_key.pem short_root_key.pem
