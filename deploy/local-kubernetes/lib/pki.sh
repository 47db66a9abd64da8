# shellcheck shell=bash
# pki.sh - one throw-away certificate authority per cluster, by openssl. Source it after common.sh.
#
# All files are in one folder, which is for root alone: ca.{crt,key}, sa.{pub,key}, NAME.{crt,key}.
#
#   pki_begin PKI                        the authority and the keys that sign service account tokens
#   pki_issue PKI NAME SUBJECT [SANS]    NAME.crt and NAME.key; SANS as in "IP:10.0.0.1,DNS:kubernetes"
#   pki_kubeconfig PKI NAME SERVER FILE  a kubeconfig of its own, for the client NAME

PKI_DAYS=365

# Runs openssl, whose chatter matters only when it fails.
pki_openssl()
{
    local output
    output=$(openssl "$@" 2>&1) || { say "openssl $1 failed: $output"; return 1; }
}

pki_key() { pki_openssl ecparam -name prime256v1 -genkey -noout -out "$1"; }

pki_begin()
{
    local pki=$1

    mkdir -p "$pki" && chmod 700 "$pki" && pki_key "$pki/ca.key" &&
        pki_openssl req -x509 -new -key "$pki/ca.key" -subj /CN=stasis-local-kubernetes -days "$PKI_DAYS" \
            -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign,cRLSign -out "$pki/ca.crt" &&
        pki_key "$pki/sa.key" && pki_openssl ec -in "$pki/sa.key" -pubout -out "$pki/sa.pub"
}

pki_issue()
{
    local pki=$1 name=$2 subject=$3 sans=${4:-}

    {
        printf 'basicConstraints=CA:FALSE\nkeyUsage=digitalSignature\nextendedKeyUsage=clientAuth,serverAuth\n'
        [ -z "$sans" ] || printf 'subjectAltName=%s\n' "$sans"
    } >"$pki/$name.extensions"
    pki_key "$pki/$name.key" &&
        pki_openssl req -new -key "$pki/$name.key" -subj "$subject" -out "$pki/$name.request" &&
        pki_openssl x509 -req -in "$pki/$name.request" -CA "$pki/ca.crt" -CAkey "$pki/ca.key" -days "$PKI_DAYS" \
            -set_serial "0x$(od -An -N8 -tx1 /dev/urandom | tr -d ' ')" -extfile "$pki/$name.extensions" \
            -out "$pki/$name.crt" &&
        rm -f "$pki/$name.request" "$pki/$name.extensions"
}

pki_kubeconfig()
{
    local pki=$1 name=$2 server=$3 file=$4

    (umask 077 && cat >"$file") <<EOF
apiVersion: v1
kind: Config
clusters:
- name: local
  cluster: {server: "$server", certificate-authority-data: $(base64 -w0 "$pki/ca.crt")}
users:
- name: $name
  user:
    client-certificate-data: $(base64 -w0 "$pki/$name.crt")
    client-key-data: $(base64 -w0 "$pki/$name.key")
contexts:
- name: local
  context: {cluster: local, user: $name}
current-context: local
EOF
}
