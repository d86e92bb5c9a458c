#!/bin/bash
# make soak: the file system stressors of stress-ng, one after the other, on a
# mount with a replica. A stressor that finds nothing to run on is left out.
. "$(dirname "$0")/functions.sh"
need stress-ng

pipe_replicas 1
check "mount" mount_tree "${REPLICAS[@]}"
failed=0
for name in $(stress-ng --class 'filesystem?' 2>&1 |
	sed -n 's/^class .filesystem. stressors: //p'); do
	mkdir "$T/tree/$name" && chmod 777 "$T/tree/$name"
	stress-ng --"$name" 2 --timeout "${STRESS_TIME:-5s}" --verify \
		--temp-path "$T/tree/$name" >"$T/said" 2>&1
	r=$?
	! grep -q 'No stress workers invoked' "$T/said" || r=4
	case $r in
	0) say "ok      $name" ;;
	3 | 4) say "left out $name" ;; # no resource, not implemented
	*)
		say "FAILED  $name"
		grep -E 'fail|error' "$T/said" | head -n 5
		failed=1
		;;
	esac
	rm -rf "${T:?}/tree/$name"
done
check "wait" synced 300
check "same" same "$T/replica1"
exit $failed
