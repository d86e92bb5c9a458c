#!/bin/bash
# No source file is longer than 600 lines, no header than 260.
cd "$(dirname "$0")/.." || exit 1
r=0
while read -r lines file; do
	case $file in
	total) continue ;;
	*.h) limit=260 ;;
	*) limit=600 ;;
	esac
	if [ "$lines" -gt "$limit" ]; then
		echo "$file: $lines lines, the limit is $limit"
		r=1
	fi
done < <(find cli fs include lib sync tests -name '*.[ch]' -exec wc -l {} +)
exit $r
