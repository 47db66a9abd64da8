// peer.mjs - a sandbox that answers: what execd would answer to /ping on port 44772, and on port 8080 a small server in
// shell, which shows what reached it. Its parts come with busybox, so any image that has it will do.
import { service } from './service.mjs'

export const EXECD_PORT = 44772
export const PORT = 8080

// One connection: the request on stdin, the answer on stdout.
const SERVER = String.raw`
read -r method target version
head="$method $target $(printf %s "$version" | tr -d '\r')" length=0 key=
while read -r line; do
    line=$(printf %s "$line" | tr -d '\r')
    [ -n "$line" ] || break
    head="$head
$line"
    case "$(printf %s "$line" | tr A-Z a-z)" in
    content-length:*) length=$(printf %s "$line" | tr -cd 0-9) ;;
    sec-websocket-key:*) key=$(printf %s "$line" | sed 's/^[^:]*: *//') ;;
    esac
done
answer() { printf 'HTTP/1.1 %s\r\nConnection: close\r\n' "$1"; }
chunk() { printf '%x\r\n%s\r\n' $(($(printf %s "$1" | wc -c))) "$1"; }
websocket()
{
    printf 'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n' \
        "$(printf %s258EAFA5-E914-47DA-95CA-C5AB0DC85B11 "$key" | sha1sum | cut -c1-40 | xxd -r -p | base64)"
    while start=$(dd bs=1 count=2 2>/dev/null | xxd -p) && [ -n "$start" ]; do
        size=$((0x$(printf %s "$start" | cut -c3-4) & 127)) first=$(printf %s "$start" | cut -c1-2)
        mask=$(dd bs=1 count=4 2>/dev/null | xxd -p)
        masked=$(dd bs=1 count=$size 2>/dev/null | xxd -p | tr -d '\n')
        plain= i=0
        while [ $i -lt $size ]; do
            plain=$plain$(printf %02x $((0x$(printf %s "$masked" | cut -c$((2 * i + 1))-$((2 * i + 2))) ^ 0x$(printf %s "$mask" | cut -c$((2 * (i % 4) + 1))-$((2 * (i % 4) + 2))))))
            i=$((i + 1))
        done
        printf '%s%02x%s' "$first" $size "$plain" | xxd -r -p
        [ "$first" != 88 ] || exit 0
    done
}
case "$target" in
/ws*) websocket ;;
/teapot*) answer "418 I am a teapot"; printf 'Content-Length: 5\r\nX-Own: kept\r\nConnection: X-Hop\r\nX-Hop: dropped\r\nKeep-Alive: timeout=3\r\n\r\nshort' ;;
/encoded*) answer "200 OK"; printf 'Content-Encoding: gzip\r\n\r\n'; printf 'not really gzip\000\377' ;;
/slow*) # the second line comes when somebody asked for /go
    answer "200 OK"; printf 'Transfer-Encoding: chunked\r\n\r\n'
    chunk first
    until [ -e /tmp/go ]; do sleep 0.05; done
    chunk second; printf '0\r\n\r\n' ;;
/go*) : >/tmp/go; answer "200 OK"; printf '\r\n' ;;
/lines*) # every line is in /seen as soon as it came
    while read -r size; do
        size=$((0x$(printf %s "$size" | tr -d '\r')))
        [ $size -gt 0 ] || { read -r rest; break; }
        read -r line; read -r rest
        printf '%s\n' "$line" >>/tmp/seen
    done
    answer "200 OK"; printf '\r\nthank you' ;;
/seen*) answer "200 OK"; printf '\r\n'; cat /tmp/seen 2>/dev/null ;;
/env*) answer "200 OK"; printf '\r\n'; env ;;
*)
    body=
    [ $length -eq 0 ] || body=$(dd bs=1 count=$length 2>/dev/null)
    answer "200 OK"; printf 'Content-Type: text/plain\r\n\r\n%s\n\n%s' "$head" "$body" ;;
esac
`

const ENTRYPOINT = ['sh', '-c', `trap exit TERM
mkdir -p /srv/www && echo pong >/srv/www/ping && printf %s "$PEER" >/srv/peer
httpd -p ${EXECD_PORT} -h /srv/www
nc -ll -p ${PORT} -e sh /srv/peer &
wait`]

// The part of a create request that makes a peer.
export const peer = { entrypoint: ENTRYPOINT, env: { PEER: SERVER } }

// A sandbox that does nothing, and ends at once when it is told to.
export const idle = { entrypoint: ['sh', '-c', 'trap exit TERM; sleep infinity & wait'] }

export function create_body(kind, more = {}) {
    return { image: { uri: service.image }, resourceLimits: {}, ...kind, ...more, env: { ...kind.env, ...more.env } }
}
