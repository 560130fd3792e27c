#!/bin/sh
# Puts each body, which may be any JSON, into an object. The protocol: worker/program/doc.go.
# Try it: printf '%s\n' '{"pipeproc":1}' '{"n":1,"body":"hello"}' | sh examples/processor-shell/wrap.sh
read -r greeting || exit 0
echo '{"pipeproc":1}'
while IFS= read -r line; do
	n=${line#'{"n":'} # n is the first field
	n=${n%%,*}
	body=${line#*,\"body\":} # and the body is the last
	body=${body%\}}
	printf '{"n":%s,"out":[{"seen":%s}]}\n' "$n" "$body"
done
