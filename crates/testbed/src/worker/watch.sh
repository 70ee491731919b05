# Keeps the process ids of workers, "+ <id>" for one that has started and "- <id>" for one that is gone, until stdin ends, that
# is until the test process is gone. Then it kills those that are left.

workers=
while read -r sign worker; do
    others=
    for each in $workers; do
        [ "$each" = "$worker" ] || others="$others $each"
    done
    workers=$others
    [ "$sign" = - ] || workers="$workers $worker"
done
# KILL, because it is the only signal that ends a stopped process.
for worker in $workers; do
    # Fails only when it has ended already.
    kill -KILL "$worker" 2>/dev/null
done
