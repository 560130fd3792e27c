package program

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

// told is a line to a child.
type told struct {
	N    uint64
	Body json.RawMessage
}

// play is what the test binary does as a program. It returns its exit code.
func play(mode string) int {
	switch mode {
	case "node":
		return node()
	case "serve":
		return servant()
	case "silent":
		_, _ = io.Copy(io.Discard, os.Stdin)
		return 0
	case "banner":
		fmt.Println("Welcome!")
	case "newer":
		fmt.Println(`{"pipeproc":2}`)
	case "early":
		fmt.Println(`{"pipeproc":1}` + "\n" + `{"n":1}`)
	case "dies":
		fmt.Fprintln(os.Stderr, "no such module")
		return 7
	case "stubborn":
		signal.Ignore(syscall.SIGTERM)
	}
	in := bufio.NewReaderSize(os.Stdin, 64<<10)
	greeting, err := in.ReadString('\n')
	if err != nil {
		return 0
	}
	switch mode {
	case "banner", "newer", "early":
	case "odd greeting":
		fmt.Print(" { \"name\" : [\"odd\", {}] , \"pipeproc\": 1 }\t\r\n")
	default:
		fmt.Println(`{"pipeproc":1}`)
	}
	serve := map[string]func(in *bufio.Reader) int{
		"copy":  func(in *bufio.Reader) int { return copies(in, greeting) },
		"echo":  echo,
		"json":  func(in *bufio.Reader) int { return jsonEcho(in, 64<<10) },
		"plain": func(in *bufio.Reader) int { return jsonEcho(in, 0) },
		"last":  backwards,
		"jam":   jam,
		"once":  once,
		"close": closes,
	}[mode]
	if serve == nil {
		serve = obey
	}
	code := serve(in)
	if mode == "stubborn" {
		forever()
	}
	return code
}

// leave makes a process that is about to be started leave its group. It is set where
// that is possible.
var leave func(*exec.Cmd)

func kill(pid int, sig os.Signal) error {
	p, err := os.FindProcess(pid)
	if err != nil {
		return err
	}
	return errors.Join(p.Signal(sig), p.Release())
}

// forever does not return.
func forever() {
	for range time.Tick(time.Hour) {
	}
}

// copies answers with the lines as they are, as strings. The greeting comes
// with the first.
func copies(in *bufio.Reader, greeting string) int {
	for n := 1; ; n++ {
		line, err := in.ReadString('\n')
		if err != nil {
			return 0
		}
		b, _ := json.Marshal(greeting + line)
		fmt.Printf("{\"n\":%d,\"out\":[%s]}\n", n, b)
		greeting = ""
	}
}

// echo answers with the body, found without a parser, and flushes when there is
// nothing more to read: what a program costs that costs nothing.
func echo(in *bufio.Reader) int {
	out := bufio.NewWriterSize(os.Stdout, 64<<10)
	for {
		line, err := in.ReadSlice('\n')
		if err == bufio.ErrBufferFull {
			head := append([]byte(nil), line...)
			line, err = in.ReadBytes('\n')
			line = append(head, line...)
		}
		if err != nil {
			return 0
		}
		s := string(line)
		n := s[:strings.IndexByte(s, ',')]
		body := s[strings.Index(s, `"body":`)+7 : len(s)-2]
		_, _ = out.WriteString(n)
		_, _ = out.WriteString(`,"out":[`)
		_, _ = out.WriteString(body)
		_, _ = out.WriteString("]}\n")
		if in.Buffered() == 0 {
			_ = out.Flush()
		}
	}
}

// jsonEcho is echo as a program would do it, with a buffer or without.
func jsonEcho(in *bufio.Reader, buffer int) int {
	out := bufio.NewWriterSize(os.Stdout, buffer)
	e := json.NewEncoder(out)
	for {
		line, err := in.ReadBytes('\n')
		var rec told
		if err != nil || json.Unmarshal(line, &rec) != nil {
			return 0
		}
		type answer struct {
			N   uint64            `json:"n"`
			Out []json.RawMessage `json:"out"`
		}
		_ = e.Encode(answer{rec.N, []json.RawMessage{rec.Body}})
		if in.Buffered() == 0 || buffer == 0 {
			_ = out.Flush()
		}
	}
}

// backwards reads what there is up to a body "last", and answers from the back.
func backwards(in *bufio.Reader) int {
	var list []told
	d := json.NewDecoder(in)
	for {
		var rec told
		if err := d.Decode(&rec); err != nil {
			return 0
		}
		list = append(list, rec)
		if string(rec.Body) != `"last"` {
			continue
		}
		for i := len(list) - 1; i >= 0; i-- {
			fmt.Printf("{\"out\":[%s,%d],\"n\":%d}\n", list[i].Body, i, list[i].N)
		}
		list = nil
	}
}

// jam guesses the answers to 1000 records and waits until all are taken before
// it reads the first.
func jam(in *bufio.Reader) int {
	out := bufio.NewWriter(os.Stdout)
	for n := range 1000 {
		fmt.Fprintf(out, "{\"n\":%d}\n", n+1)
	}
	_ = out.Flush()
	return obey(in)
}

// once answers one record, and ends.
func once(in *bufio.Reader) int {
	line, err := in.ReadBytes('\n')
	var rec told
	if err != nil || json.Unmarshal(line, &rec) != nil {
		return 1
	}
	fmt.Printf("{\"n\":%d,\"out\":[%s]}\n", rec.N, rec.Body)
	return 0
}

// closes closes its stdout or stdin after the first record.
func closes(in *bufio.Reader) int {
	line, _ := in.ReadString('\n')
	if strings.Contains(line, "stdout") {
		_ = os.Stdout.Close()
	} else {
		_ = os.Stdin.Close()
	}
	forever()
	return 0
}

// obey does what the body of each record says.
func obey(in *bufio.Reader) int {
	d := json.NewDecoder(in)
	for {
		var rec told
		var body string
		if err := d.Decode(&rec); err != nil {
			return 0
		}
		_ = json.Unmarshal(rec.Body, &body)
		what, arg, _ := strings.Cut(body, " ")
		var code, count int
		_, _ = fmt.Sscan(arg, &code)
		count = code
		switch what {
		case "exit":
			return code
		case "kill":
			_ = kill(os.Getpid(), syscall.Signal(code))
			forever()
		case "hang":
			forever()
		case "pid":
			fmt.Printf("{\"n\":%d,\"out\":[%d]}\n", rec.N, os.Getpid())
		case "meet":
			_, dir, _ := strings.Cut(arg, " ")
			meet(dir, count)
			fmt.Printf("{\"n\":%d,\"out\":[%d]}\n", rec.N, os.Getpid())
		case "dir":
			dir, _ := os.Getwd()
			fmt.Printf("{\"n\":%d,\"out\":[%q,%q]}\n", rec.N, dir, os.Getenv("EXTRA"))
		case "error":
			b, _ := json.Marshal(arg)
			fmt.Printf("{\"n\":%d,\"error\":%s}\n", rec.N, b)
		case "say":
			fmt.Fprintln(os.Stderr, arg)
			fmt.Printf("{\"n\":%d}\n", rec.N)
		case "shout": // lines on stderr
			w := bufio.NewWriter(os.Stderr)
			for i := range count {
				fmt.Fprintf(w, "line %d\n", i)
			}
			_ = w.Flush()
			fmt.Printf("{\"n\":%d}\n", rec.N)
		case "howl": // one long line on stderr
			fmt.Fprint(os.Stderr, strings.Repeat("x", count), "\nafter\n\xff\n")
			fmt.Printf("{\"n\":%d}\n", rec.N)
		case "line": // whatever it is, with the present n for %, and a bad byte for ~
			fmt.Println(strings.NewReplacer("%", fmt.Sprint(rec.N), "~", "\xff").Replace(arg))
		case "flood": // without a newline
			flood(strings.Repeat("x", 1<<16), count)
		case "answers": // far too many of them
			flood(strings.Repeat(fmt.Sprintf("{\"n\":%d}\n", rec.N), 1000), count)
		case "outputs": // in one answer
			fmt.Printf("{\"n\":%d,\"out\":[", rec.N)
			flood(strings.Repeat(`"",`, 1<<14), count)
			fmt.Print("0]}\n")
		case "deep":
			fmt.Printf("{\"n\":%d,\"out\":[%s%s]}\n", rec.N, strings.Repeat("[", count), strings.Repeat("]", count))
		case "fork": // a process that outlives this one, if it may
			c := exec.Command("/bin/sleep", "1000")
			if arg == "away" {
				leave(c)
			}
			c.Stdout, c.Stderr = os.Stdout, os.Stderr
			if err := c.Start(); err != nil {
				fmt.Fprintln(os.Stderr, err)
				return 1
			}
			fmt.Printf("{\"n\":%d,\"out\":[%d]}\n", rec.N, c.Process.Pid)
		default:
			fmt.Printf("{\"n\":%d,\"out\":[%s]}\n", rec.N, rec.Body)
		}
	}
}

// meet waits until n processes have come to a folder.
func meet(dir string, n int) {
	_ = os.WriteFile(fmt.Sprintf("%s/%d", dir, os.Getpid()), nil, 0o644)
	for tick := time.NewTicker(time.Millisecond); ; <-tick.C {
		if list, _ := os.ReadDir(dir); len(list) >= n {
			return
		}
	}
}

// flood writes text over and over, up to that many MiB.
func flood(text string, mib int) {
	for n := 0; n < mib<<20; n += len(text) {
		if _, err := os.Stdout.WriteString(text); err != nil {
			return
		}
	}
}
