# Runs a PostgreSQL server of its own until stdin ends, that is until the test process is gone.
#
#   sh serve.sh <folder of PostgreSQL's programs> <work folder>
#
# Prints "ready" once the server answers on a socket in the work folder, or else what went wrong; removes the work
# folder at the end. The server is reachable over no network, and trusts whoever may enter the work folder.

bin=$1 folder=$2 data=$2/data log=$2/log

end() {
    "$bin/pg_ctl" stop --mode immediate --pgdata "$data" >/dev/null 2>&1
    rm -rf "$folder"
}
trap end EXIT
# PIPE, because the test process may be gone before it is told.
trap 'exit 1' HUP INT PIPE TERM

start() {
    "$bin/initdb" --pgdata "$data" --username postgres --auth trust --encoding UTF8 --locale C --no-sync &&
        cat >>"$data/postgresql.conf" <<SETTINGS &&
listen_addresses = ''
unix_socket_directories = '$folder'
port = 5432
# No test is about a machine that loses its power.
fsync = off
SETTINGS
        "$bin/pg_ctl" start --wait --timeout 60 --pgdata "$data" --log "$folder/server.log"
}
if ! start >"$log" 2>&1; then
    cat "$log" "$folder/server.log" 2>/dev/null
    exit 1
fi
echo ready
cat >/dev/null
