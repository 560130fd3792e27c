package main

import (
	"os"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

func TestUsageErrors(t *testing.T) {
	t.Chdir(t.TempDir())
	for args, texts := range map[string][]string{
		"nosuch":                          {`unknown command "nosuch"`, "'pipeproc --help'"},
		"rnage t --limit 5":               {`unknown command "rnage"`, "did you mean range?"},
		"--bogus":                         {"unknown flag: --bogus", "'pipeproc --help'"},
		"help nosuch":                     {`unknown command "nosuch"`, "'pipeproc --help'"},
		"range":                           {"an argument is missing: TOPIC", "'pipeproc range --help'"},
		"range t t2":                      {`unexpected argument "t2"`, "--help"},
		"range t --bogus":                 {"unknown flag: --bogus", "--help"},
		"range t --limit x":               {"--limit", "whole number", "--help"},
		"range t --limit":                 {"--limit", "--help"},
		"range t --output xml":            {"--output", "json, body or id", "--help"},
		"get t":                           {"TOPIC SEQ", "--help"},
		"get t x":                         {"invalid_range_offset", "--help"},
		"get t :":                         {"invalid_range_offset", "--help"},
		"get t +1":                        {"invalid_range_offset", "--help"},
		"length":                          {"--help"},
		"topics t":                        {"--help"},
		"tail t --limit -1":               {"--limit", "0 or more", "--help"},
		"commit":                          {"TOPIC [FILE]", "--help"},
		"commit t --batch 0":              {"--batch", "1 or more", "--help"},
		"commit t --batch 5 --atomic":     {"exclude", "--help"},
		"commit t --max-body 1GiB":        {"--max-body", "256MiB", "--help"},
		"commit t --max-body x":           {"--max-body", "--help"},
		"commit t --compression gzip":     {"--compression", "none or zstd", "--help"},
		"--sync sometimes range t":        {"--sync", "always, interval=D or never", "--help"},
		"--sync interval=x range t":       {"--sync", "interval", "--help"},
		"--sync interval=0s range t":      {"--sync", "interval", "--help"},
		"--sync interval=-1s range t":     {"--sync", "interval", "--help"},
		"topic":                           {"create, delete, info or retention", "'pipeproc topic --help'"},
		"topic nosuch":                    {`unknown command "nosuch"`, "--help"},
		"topic create":                    {"NAME", "'pipeproc topic create --help'"},
		"topic create x --segment-size 1": {"--segment-size", "64KiB", "--help"},
		"verify x":                        {"--help"},
		"repair --yes=maybe":              {"--yes", "--help"},
		"import":                          {"--help"},
		"export":                          {"--help"},
		"backup":                          {"DEST", "--help"},
		"restore":                         {"SRC", "--help"},
		"dump":                            {"FILE", "--help"},
		"demo a b":                        {"--help"},
		"completion":                      {"bash", "--help"},
		"completion nosuch":               {"nosuch", "--help"},

		"proc":                                                            {"NAME", "'pipeproc proc --help'"},
		"proc p":                                                          {"--topic", "'pipeproc proc --help'"},
		"proc p q --topic t":                                              {`unexpected argument "q"`, "--help"},
		"proc p --topic t --x":                                            {"unknown flag: --x", "--help"},
		"proc p --topic t --count 0":                                      {"--count", "1 or more, or -1", "--help"},
		"proc p --topic t --count x":                                      {"--count", "--help"},
		"proc p --topic t --max-reclaims 0":                               {"--max-reclaims", "1 or more, or -1", "--help"},
		"proc p --topic t --reclaim-timeout 10":                           {"--reclaim-timeout", "unit", "or never", "--help"},
		"proc p --topic t --reclaim-timeout 0":                            {"--reclaim-timeout", "unit", "--help"},
		"proc p --topic t --reclaim-timeout 0s":                           {"--reclaim-timeout", "1ms or more", "--help"},
		"proc p --topic t --reclaim-timeout -1s":                          {"--reclaim-timeout", "1ms or more", "--help"},
		"proc p --topic t --backoff never":                                {"--backoff", "unit", "--help"},
		"proc p --topic t --max-backoff 5":                                {"--max-backoff", "unit", "--help"},
		"proc p --topic t --on-max-reclaims explode":                      {"--on-max-reclaims", "disable, continue or deadletter", "--help"},
		"proc p --topic t --dead-letter-topic d":                          {"--dead-letter-topic", "deadletter", "--help"},
		"proc p --topic t --on-max-reclaims deadletter --max-reclaims -1": {"--max-reclaims", "--help"},
		"proc p --topic t --output xml":                                   {"--output", "json, body or id", "--help"},
		"ack":                                                             {"NAME", "'pipeproc ack --help'"},
		"ack p q":                                                         {`unexpected argument "q"`, "--help"},
		"ack p --claim 1":                                                 {"--claim", "such as 3-1", "--help"},
		"ack p --claim 0-0":                                               {"--claim", "--help"},
		"reclaim":                                                         {"NAME", "--help"},
		"reclaim p --claim x":                                             {"--claim", "--help"},
		"reclaim p --reason":                                              {"--reason", "--help"},
		"ack-commit":                                                      {"NAME [FILE]", "--help"},
		"ack-commit p":                                                    {"--to", "--help"},
		"ack-commit p f g --to t":                                         {`unexpected argument "g"`, "--help"},
		"ack-commit p --to t --max-body 1GiB":                             {"--max-body", "256MiB", "--help"},
		"inspect":                                                         {"NAME", "--help"},
		"disable":                                                         {"NAME", "--help"},
		"resume":                                                          {"NAME", "--help"},
		"destroy":                                                         {"NAME", "--help"},
		"seek p":                                                          {"NAME OFFSET", "--help"},
		"procs p":                                                         {`unexpected argument "p"`, "--help"},
		"procs --output xml":                                              {"table or json", "--help"},
		"wait --timeout 5":                                                {"--timeout", "unit", "--help"},
		"wait --timeout 0s":                                               {"--timeout", "1ms or more", "--help"},
		"gc t":                                                            {`unexpected argument "t"`, "--help"},
		"gc --min-prune-time 5":                                           {"--min-prune-time", "unit", "--help"},
		"gc --min-prune-time -5s":                                         {"--min-prune-time", "0s or more", "--help"},
		"system-procs x":                                                  {`unexpected argument "x"`, "--help"},
		"topic retention":                                                 {"NAME", "'pipeproc topic retention --help'"},
		"topic retention t --gc maybe":                                    {"--gc", "on, off or inherit", "--help"},
		"topic retention t --max-age 5":                                   {"--max-age", "unit", "--help"},
		"topic retention t --max-bytes x":                                 {"--max-bytes", "--help"},
	} {
		r := fails(t, exitUsage, "", argv(args), texts...)
		if r.out != "" || strings.Count(r.err, "\n") != 1 {
			t.Errorf("%s: printed %q and %q", args, r.out, r.err)
		}
	}
	if entries, _ := os.ReadDir("."); len(entries) > 0 {
		t.Errorf("a wrong command made %v", entries)
	}
}

func TestHelpOfEveryCommand(t *testing.T) {
	a := &app{}
	var walk func(c *cobra.Command)
	walk = func(c *cobra.Command) {
		if c.Name() == "completion" {
			return
		}
		if c.Short == "" || c.Long == "" || c.Example == "" {
			t.Errorf("%s: short, long or example is missing", c.CommandPath())
		}
		path := strings.Fields(c.CommandPath())[1:]
		help := ok(t, "", append(path, "--help")...)
		for _, s := range []string{c.Long, "Usage:\n  pipeproc ", "Examples:", "--dir PATH", "--sync MODE"} {
			if !strings.Contains(help, s) {
				t.Errorf("%s: the help does not hold %q", c.CommandPath(), s)
			}
		}
		for _, line := range strings.Split(help, "\n") {
			if len([]rune(line)) > 110 {
				t.Errorf("%s: a line of the help is too long: %q", c.CommandPath(), line)
			}
		}
		if len(path) > 0 && help != ok(t, "", append([]string{"help"}, path...)...) {
			t.Errorf("%s: help and --help differ", c.CommandPath())
		}
		for _, sub := range c.Commands() {
			walk(sub)
		}
	}
	walk(a.rootCommand())
}

func TestHelpVersionCompletion(t *testing.T) {
	if s := ok(t, ""); !strings.Contains(s, "DURABILITY") || !strings.Contains(s, "exit code") || s != ok(t, "", "help") {
		t.Errorf("the help is %q", s)
	}
	v := ok(t, "", "version")
	if !strings.HasPrefix(v, "pipeproc ") || !strings.Contains(v, " go1.") || v != ok(t, "", "--version") {
		t.Errorf("version %q", v)
	}
	for _, sh := range argv("bash zsh fish powershell") {
		if len(ok(t, "", "completion", sh)) < 1000 {
			t.Errorf("no completion for %s", sh)
		}
	}
	if s := ok(t, "", "__complete", "range", "t", "--output", ""); !strings.HasPrefix(s, "json\nbody\nid\n") {
		t.Errorf("completion of --output: %q", s)
	}
}

func TestFlagPositions(t *testing.T) {
	dir := store(t, numbered(5)...)
	for _, args := range [][]string{
		{"--dir", dir, "--sync", "never", "range", "t", "--limit", "2", "--output", "body"},
		{"range", "--dir", dir, "t", "--output=body", "--limit=2"},
		{"range", "--limit", "2", "--output", "body", "t", "--dir", dir},
		{"range", "t", "--dir=" + dir, "--output", "body", "--sync=interval=1s", "--limit", "2"},
		{"--sync=always", "range", "--output", "body", "t", "--limit", "2", "--dir", dir},
		{"--dir", dir, "range", "--limit", "2", "--output", "body", "--", "t"},
	} {
		if got := ok(t, "", args...); got != "line 0\nline 1\n" {
			t.Errorf("%q: %q", args, got)
		}
	}
	if got := ok(t, "", "topic", "--dir", dir, "info", "t"); !strings.Contains(got, "records      5") {
		t.Errorf("topic info: %q", got)
	}
}

func TestMissingStore(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, args := range []string{"range t", "get t 0", "length t", "topics", "tail t", "export t", "export t x", "topic info t", "topic delete t", "backup b",
		"ack p", "reclaim p", "inspect p", "disable p", "resume p", "destroy p", "seek p :1", "procs", "wait", "wait p", "gc", "system-procs",
		"topic retention t", "topic retention t --max-age 1h", "ack-commit p --to t " + writeFile(t, "in", "x")} {
		fails(t, exitError, "", argv(args), "there is no pipeproc store in ./pipeproc_data", "--dir")
		fails(t, exitError, "", append([]string{"--dir", "other"}, argv(args)...), "there is no pipeproc store in other", "--dir")
	}
	for _, args := range []string{"verify", "repair", "repair --yes", "verify --output json"} {
		fails(t, exitUsage, "", argv(args), "there is no pipeproc store in ./pipeproc_data", "--dir")
	}
	fails(t, exitError, "", argv("restore nowhere"), "there is no pipeproc store in nowhere")
	fails(t, exitError, "", argv("commit t nofile"), "nofile")
	fails(t, exitError, "", argv("import t nofile"), "nofile")
	fails(t, exitError, "x\n", argv("commit a.b"), "invalid_topic_format")
	if entries, _ := os.ReadDir("."); len(entries) > 0 {
		t.Errorf("something was made: %v", entries)
	}
}
