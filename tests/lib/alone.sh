#!/bin/sh
# alone.sh FOLDER - in a mount namespace of one's own: let go of what others than
# the test with that folder have mounted. Who unmounts that would wait for us.
awk -v mine="$1/" '{ at = $5 "/" }
	at ~ /\/mirrorfs-(test|lower)\./ && index(at, mine) != 1 &&
		index(mine, at) != 1 { print $5 }' /proc/self/mountinfo |
	sort -r | while read -r at; do
		umount -l "$at" 2>/dev/null
	done
exit 0
