package main

import (
	"os"
	"strings"
	"testing"
)

func TestReachUsageErrors(t *testing.T) {
	t.Chdir(t.TempDir())
	cases := map[string][]string{
		"topics --connect unix:///x --namespace n": {"--connect and --namespace exclude each other"},
		"topics --connect unix:///x --dir d":       {"--connect and --dir exclude each other"},
		"--sync never topics --namespace n":        {"--namespace and --sync exclude each other"},
		"--connect here topics":                    {"--connect", "unix:///path, tcp://host:port or tls://host:port"},
		"topics --connect http://x:1":              {"--connect", "unix:///path"},
		"topics --connect tcp://x":                 {"--connect", "tcp://host:port"},
		"topics --connect unix://":                 {"--connect", "unix:///path"},
		"topics --namespace a/b":                   {"--namespace", "64 letters"},
		"topics --tls-ca f":                        {"--tls-ca", "tls://host:port"},
		"topics --tls-ca f --connect unix:///x":    {"--tls-ca", "tls://host:port"},
		"ping --dir d":                             {"--connect or --namespace, not --dir"},
		"ping x":                                   {`unexpected argument "x"`},
		"serve --connect unix:///x":                {"--listen"},
		"serve --memory --dir d":                   {"--memory and --dir exclude each other"},
		"serve --memory --sync never":              {"--memory and --sync exclude each other"},
		"serve --listen x":                         {"--listen", "unix:///path"},
		"serve --gc-interval 1s":                   {"--gc-interval goes with --gc"},
		"serve --gc --gc-min-prune-time 5":         {"--gc-min-prune-time", "unit"},
		"serve --tls-ca f":                         {"--tls-ca", "tls://host:port"},
		"serve --allow-plain":                      {"--allow-plain", "tcp://host:port"},
		"serve --log xml":                          {"--log", "text or json"},
		"serve d":                                  {`unexpected argument "d"`},
	}
	for _, c := range []string{"verify", "repair --yes", "backup b", "restore b", "dump f", "import t", "demo"} {
		name, _, _ := strings.Cut(c, " ")
		cases[c+" --connect unix:///x"] = []string{name + " works on a directory", "--dir instead of --connect"}
		cases[c+" --namespace n"] = []string{name + " works on a directory", "--dir instead of --namespace"}
	}
	for args, texts := range cases {
		r := fails(t, exitUsage, "", argv(args), append(texts, "--help")...)
		if r.out != "" || strings.Count(r.err, "\n") != 1 {
			t.Errorf("%s: printed %q and %q", args, r.out, r.err)
		}
	}
	if entries, _ := os.ReadDir("."); len(entries) > 0 {
		t.Errorf("a wrong command made %v", entries)
	}
}

func TestNoNode(t *testing.T) {
	t.Chdir(t.TempDir())
	at := socket(t)
	for _, args := range []string{"range t", "topics", "commit t", "ack p", "wait", "gc", "procs", "ping", "export t x"} {
		fails(t, exitError, "", append(argv(args), "--connect", at), "no node answers at "+at, "pipeproc serve")
	}
	fails(t, exitError, "", argv("topics --connect tcp://localhost:1"), "no node answers", "connection refused")
	fails(t, exitError, "", argv("topics --connect tls://localhost:1"), "tls connect options require a client ca", "--tls-cert")
	if entries, _ := os.ReadDir("."); len(entries) > 0 {
		t.Errorf("something was made: %v", entries)
	}
}
