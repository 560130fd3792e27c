// Command processor-go makes a record of each word. The protocol: worker/program/doc.go.
//
// Try it: printf '%s\n' '{"pipeproc":1}' '{"n":1,"body":"hello you"}' | go run ./examples/processor-go
package main

import (
	"bufio"
	"encoding/json"
	"os"
	"strings"
)

func main() {
	in, out := bufio.NewReader(os.Stdin), bufio.NewWriter(os.Stdout)
	answers := json.NewEncoder(out)
	_ = answers.Encode(map[string]int{"pipeproc": 1})
	for {
		if in.Buffered() == 0 { // it is about to wait
			_ = out.Flush()
		}
		line, err := in.ReadBytes('\n')
		if err != nil {
			return
		}
		var record struct {
			N    uint64 // 0 in the node's greeting
			Body any
		}
		if json.Unmarshal(line, &record) == nil && record.N > 0 {
			text, _ := record.Body.(string)
			_ = answers.Encode(map[string]any{"n": record.N, "out": strings.Fields(text)})
		}
	}
}
