# Keeps the ids of processes, "+ <id>" for one that has started and "- <id>" for one that is gone, until stdin ends, that
# is until the test process is gone. Then it kills those that are left.

processes=
while read -r sign process; do
    others=
    for each in $processes; do
        [ "$each" = "$process" ] || others="$others $each"
    done
    processes=$others
    [ "$sign" = - ] || processes="$processes $process"
done
# KILL, because it is the only signal that ends a stopped process.
for process in $processes; do
    # Fails only when it has ended already.
    kill -KILL "$process" 2>/dev/null
done
