package main

import (
	"encoding/json"
	"strings"
	"testing"
)

// procJSON is what scripts read of a proc.
type procJSON struct {
	Name, Topic, Offset, Status, Claim      string
	LastClaimedRange, LastAckedRange        string
	PreviousClaimedRange                    string
	OnMaxReclaimsReached, DeadLetterTopic   string
	Reclaims, MaxReclaims, ReclaimTimeout   int
	Backoff, MaxBackoff, RetryAt, CreatedAt int64
	Next, Pending                           int
}

// aProc runs a command that prints a proc.
func aProc(t *testing.T, dir string, args ...string) (p procJSON) {
	t.Helper()
	out := ok(t, "", append(args, "--dir", dir)...)
	if err := json.Unmarshal([]byte(out), &p); err != nil || strings.Count(out, "\n") != 1 {
		t.Fatalf("%q: %v in %s", args, err, out)
	}
	return p
}

// ids returns the ids of a topic.
func ids(t *testing.T, dir, topic string) []string {
	t.Helper()
	return strings.Fields(ok(t, "", "range", topic, "--output", "id", "--dir", dir))
}

func TestProcPrintsAsRange(t *testing.T) {
	dir := store(t, `{"a": 1}`, "text", "", "\xff", "last")
	for _, format := range []string{"", "--output json", "--output body", "--output id"} {
		want := ok(t, "", argv("range t --limit 4 "+format+" --dir "+dir)...)
		name := "p" + strings.TrimPrefix(format, "--output ")
		r := runs(t, "", append(argv("proc --topic t --count 4 --reclaim-timeout never "+format+" --dir "+dir), name)...)
		if r.code != exitOK || r.out != want || r.err != "" {
			t.Errorf("%s: %+v, want %s", format, r, want)
		}
		// The claim is still open, and there is nothing else to claim.
		if r := runs(t, "", "proc", name, "--topic", "t", "--dir", dir); r != (result{}) {
			t.Errorf("%s: %+v with an open claim", format, r)
		}
	}
	ok(t, "", argv("ack p --dir "+dir)...)
	if got := ok(t, "", argv("proc p --topic t --output body --count -1 --dir "+dir)...); got != "last\n" {
		t.Errorf("%q", got)
	}
	ok(t, "", argv("ack p --dir "+dir)...)
	if r := runs(t, "", argv("proc p --topic t --dir "+dir)...); r != (result{}) {
		t.Errorf("%+v at the end", r)
	}
}

func TestProcOffsets(t *testing.T) {
	dir := store(t, numbered(10)...)
	all := ids(t, dir, "t")
	ms, _, _ := strings.Cut(all[0], "-")
	for offset, want := range map[string]string{
		"": "line 0\n", ">": "line 0\n", "$>": "", ms: "line 0\n", all[3]: "line 4\n", ":3": "line 4\n", ":9": "", "9" + ms: "",
	} {
		args := []string{"proc", "from" + offset, "--topic", "t", "--output", "body", "--dir", dir}
		if offset != "" {
			args = append(args, "--offset", offset)
		}
		if got := ok(t, "", args...); got != want {
			t.Errorf("%s: %q, want %q", offset, got, want)
		}
	}
	fails(t, exitError, "", argv("proc p --topic t --offset x --dir "+dir), "invalid_range_offset", "$>")
	fails(t, exitError, "", argv("proc p --topic t --offset :99 --dir "+dir), "invalid_tone_id_search", "pipeproc topics")
	fails(t, exitError, "", argv("proc p --topic a.b --dir "+dir), "invalid_topic_format")
	fails(t, exitError, "", append(argv("proc --topic t --dir "+dir), "a\nb"), "invalid_proc_options")
	fails(t, exitError, "", argv("inspect p --dir "+dir), "invalid_proc", "pipeproc procs")

	// Neither the topic nor its directory exists yet.
	r := runs(t, "", argv("proc early --topic later --dir "+dir+"2")...)
	if r.code != exitOK || r.out != "" || !strings.Contains(r.err, `there is no topic "later" yet`) {
		t.Errorf("%+v", r)
	}
	ok(t, "x\n", argv("commit later --dir "+dir+"2")...)
	if got := ok(t, "", argv("proc early --topic later --output body --dir "+dir+"2")...); got != "x\n" {
		t.Errorf("%q", got)
	}
}

func TestProcOptions(t *testing.T) {
	dir := store(t, numbered(3)...)
	ok(t, "", argv("proc plain --topic t --dir "+dir)...)
	p := aProc(t, dir, "inspect", "plain")
	if p.Name != "plain" || p.Topic != "t" || p.Offset != ">" || p.Status != "active" || p.MaxReclaims != 10 || p.ReclaimTimeout != 10000 ||
		p.OnMaxReclaimsReached != "disable" || p.Next != 0 || p.Pending != 3 || p.Claim == "" {
		t.Errorf("%+v", p)
	}
	ok(t, "", append(argv("proc full --topic t --max-reclaims -1 --reclaim-timeout never --on-max-reclaims continue --backoff 1500ms --max-backoff 1h --dir "+dir), "--offset", "$>")...)
	p = aProc(t, dir, "inspect", "full")
	if p.Offset != "$>" || p.MaxReclaims != -1 || p.ReclaimTimeout != -1 || p.OnMaxReclaimsReached != "continue" || p.Backoff != 1500 || p.MaxBackoff != 3600000 || p.Next != 3 {
		t.Errorf("%+v", p)
	}
	// It is created once. Options that come too late are reported.
	r := runs(t, "", append(argv("proc full --topic t --reclaim-timeout 1s --backoff 1500ms --max-reclaims 3 --dir "+dir), "--offset", "$>")...)
	if r.code != exitOK || !strings.Contains(r.err, "--max-reclaims, --reclaim-timeout say") || strings.Contains(r.err, "offset") || strings.Contains(r.err, "backoff") {
		t.Errorf("%+v", r)
	}
	if r := runs(t, "", append(argv("proc full --topic t --count 5 --reclaim-timeout never --dir "+dir), "--offset", "$>")...); r.err != "" {
		t.Errorf("%+v", r)
	}
	fails(t, exitError, "", argv("proc full --topic u --dir "+dir), "proc_name_not_unique", `"full"`, "pipeproc procs")
}

func TestAck(t *testing.T) {
	dir := store(t, numbered(5)...)
	d := " --dir " + dir
	all := ids(t, dir, "t")
	fails(t, exitError, "", argv("ack p"+d), "invalid_proc")
	ok(t, "", argv("proc p --topic t --count 2 --reclaim-timeout never"+d)...)
	token := aProc(t, dir, "inspect", "p").Claim
	if got := ok(t, "", argv("ack p"+d)...); got != all[0]+".."+all[1]+"\n" {
		t.Errorf("%q", got)
	}
	fails(t, exitError, "", argv("ack p"+d), "invalid_ack:", "pipeproc proc")
	fails(t, exitError, "", argv("ack p --claim "+token+d), "claim_lost:", token)
	ok(t, "", argv("proc p --topic t"+d)...)
	fails(t, exitError, "", argv("ack p --claim "+token+d), "claim_lost:", token)
	if got := ok(t, "", argv("ack p --claim "+aProc(t, dir, "inspect", "p").Claim+d)...); got != all[2]+".."+all[2]+"\n" {
		t.Errorf("%q", got)
	}
	if p := aProc(t, dir, "inspect", "p"); p.Next != 3 || p.Pending != 2 || p.Claim != "" || p.LastAckedRange != all[2]+".."+all[2] {
		t.Errorf("%+v", p)
	}
}

func TestReclaim(t *testing.T) {
	dir := store(t, numbered(5)...)
	d := " --dir " + dir
	all := ids(t, dir, "t")
	claim := argv("proc p --topic t --max-reclaims 3 --reclaim-timeout never --output id" + d)
	ok(t, "", claim...)
	if got := ok(t, "", argv("reclaim p"+d)...); got != "\n" { // there was no claim before
		t.Errorf("%q", got)
	}
	fails(t, exitError, "", argv("reclaim p"+d), "nothing_to_reclaim:", "pipeproc proc")
	if got := ok(t, "", claim...); got != all[0]+"\n" {
		t.Errorf("%q", got)
	}
	ok(t, "", argv("ack p"+d)...)
	ok(t, "", claim...)
	token := aProc(t, dir, "inspect", "p").Claim
	if got := ok(t, "", argv("reclaim p --reason why --claim "+token+d)...); got != all[0]+".."+all[0]+"\n" {
		t.Errorf("%q", got)
	}
	fails(t, exitError, "", argv("reclaim p --claim "+token+d), "claim_lost:")
	for range 2 {
		ok(t, "", claim...)
		ok(t, "", argv("reclaim p"+d)...)
	}
	for _, args := range [][]string{claim, argv("reclaim p" + d)} {
		fails(t, exitError, "", args, "proc_is_disabled:", "after 3 reclaims", "pipeproc resume")
	}
	if p := aProc(t, dir, "inspect", "p"); p.Status != "disabled" || p.Reclaims != 3 {
		t.Errorf("%+v", p)
	}
	if p := aProc(t, dir, "resume", "p"); p.Status != "active" || p.Reclaims != 0 {
		t.Errorf("%+v", p)
	}
	if got := ok(t, "", claim...); got != all[1]+"\n" {
		t.Errorf("%q", got)
	}
}

func TestDeadLetter(t *testing.T) {
	dir := store(t, numbered(3)...)
	d := " --dir " + dir
	for _, dead := range []string{"", " --dead-letter-topic graves"} {
		ok(t, "", argv("proc p --topic t --count 2 --max-reclaims 1 --on-max-reclaims deadletter"+dead+d)...)
		ok(t, "", append(argv("reclaim p"+d), "--reason", "no good")...)
		topic := "t__dead"
		if dead != "" {
			topic = "graves"
		}
		out := ok(t, "", argv("range "+topic+d)...)
		if strings.Count(out, "\n") != 2 || strings.Count(out, `["pipeproc-dead-reason","no good"]`) != 2 || !strings.Contains(out, `"body":"line 1"`) {
			t.Errorf("%s", out)
		}
		if p := aProc(t, dir, "destroy", "p"); p.Next != 2 || p.DeadLetterTopic != topic {
			t.Errorf("%+v", p)
		}
	}
}

func TestBackoff(t *testing.T) {
	dir := store(t, numbered(3)...)
	d := " --dir " + dir
	ok(t, "", argv("proc p --topic t --backoff 1h"+d)...)
	ok(t, "", argv("reclaim p"+d)...)
	if r := runs(t, "", argv("proc p --topic t"+d)...); r != (result{}) {
		t.Errorf("%+v", r)
	}
	if p := aProc(t, dir, "inspect", "p"); p.RetryAt == 0 || p.Reclaims != 1 {
		t.Errorf("%+v", p)
	}
}
