package main

import (
	"syscall"
	"time"
)

func init() {
	groups = append(groups, func(params) []*workload {
		all := fill{n: 10_000_000, size: 128}
		peers := []string{"pebble", "tidwall", "bbolt", "nats"}
		return []*workload{
			{name: "reopen", variant: "clean", size: 128, n: all.n, fill: all, run: reopen,
				what:  "opening a store of 10 million records that was closed; memory and disk it takes then",
				quick: []string{"pipeproc"}, full: peers},
			{name: "reopen", variant: "after a kill", size: 128, n: all.n, fill: all, before: []string{"kill"}, run: reopenRun,
				what:  "opening it after 400,000 further records and a SIGKILL",
				quick: []string{"pipeproc"}, full: peers},
		}
	})
}

// reopenRun writes and is killed, or opens the store, depending on the phase.
func reopenRun(j *job) error {
	if j.Phase == "kill" {
		return writeAndDie(j)
	}
	return reopen(j)
}

// sinceClose is the number of records in a store when it is killed, 58 MB of
// write-ahead log: more than between two checkpoints.
const sinceClose = 400_000

func writeAndDie(j *job) error {
	s, err := j.open()
	if err != nil {
		return err
	}
	f := j.w.fill
	f.n = min(sinceClose, f.n)
	if err := f.write(s); err != nil {
		return err
	}
	return syscall.Kill(syscall.Getpid(), syscall.SIGKILL)
}

func reopen(j *job) error {
	j.start()
	s, err := j.open()
	if err != nil {
		return err
	}
	took := time.Since(j.began)
	j.stop(j.n)
	j.res.Seconds = 0
	delete(j.res.Extra, "cpu_ns")
	j.res.RSS = memory("VmHWM")
	m := j.res.Extra
	m["open_ms"] = float64(took) / 1e6
	m["anon_mb"] = memory("RssAnon")
	m["heap_mb"] = heap()
	if err := j.observe(s); err != nil {
		return err
	}
	m["index_bytes_per_record"] = m["index_bytes"] / float64(j.n)
	if err := s.Close(); err != nil {
		return err
	}
	j.res.Disk = diskUse(j.Dir)
	m["disk_bytes_per_record"] = j.res.Disk * (1 << 20) / float64(j.n)
	return nil
}
