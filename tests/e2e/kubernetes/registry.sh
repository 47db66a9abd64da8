# shellcheck shell=bash
# registry.sh - the Secret for the cluster's registry. Source it.

# The Secret "registry" as JSON: to push with and to pull with. No program gets the password as an argument.
registry_secret() # NAMESPACE HOST PASSWORD
{
    PASSWORD=$3 jq -n --arg namespace "$1" --arg host "$2" '{
        apiVersion: "v1", kind: "Secret", metadata: {name: "registry", namespace: $namespace}, type: "kubernetes.io/dockerconfigjson",
        stringData: {".dockerconfigjson": ({auths: {($host): {username: "robot", password: env.PASSWORD}}} | tojson)}}'
}
