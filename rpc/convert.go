package rpc

import (
	"errors"
	"time"

	"github.com/pipeproc/pipeproc"
	"github.com/pipeproc/pipeproc/internal/errs"
	"github.com/pipeproc/pipeproc/record"
	"github.com/pipeproc/pipeproc/rpc/message"
)

// The types of the root package and those of the messages. The messages are a
// contract with other programs; the root package may add to its own.

func msOf(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

func timeOf(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms)
}

func textOf(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func topicOf(i pipeproc.TopicInfo) message.Topic {
	return message.Topic{Name: i.Name, ID: i.ID, First: i.First, Next: i.Next, Records: i.Records, CreatedAt: msOf(i.CreatedAt),
		FirstTime: msOf(i.FirstTime), LastTime: msOf(i.LastTime), Bytes: i.Bytes, DiskBytes: i.DiskBytes, Segments: i.Segments,
		Options: message.TopicOptions{SegmentSize: i.Options.SegmentSize, Compression: uint8(i.Options.Compression)}, Damaged: textOf(i.Damaged)}
}

func topicInfo(m message.Topic) pipeproc.TopicInfo {
	i := pipeproc.TopicInfo{Name: m.Name, ID: m.ID, First: m.First, Next: m.Next, Records: m.Records, CreatedAt: timeOf(m.CreatedAt),
		FirstTime: timeOf(m.FirstTime), LastTime: timeOf(m.LastTime), Bytes: m.Bytes, DiskBytes: m.DiskBytes, Segments: m.Segments,
		Options: topicOptions(m.Options)}
	if m.Damaged != "" {
		i.Damaged = errs.Damaged.With(m.Damaged)
	}
	return i
}

func topicOptions(m message.TopicOptions) pipeproc.TopicOptions {
	return pipeproc.TopicOptions{SegmentSize: m.SegmentSize, Compression: pipeproc.Compression(m.Compression)}
}

func retentionOf(r pipeproc.Retention) message.Retention {
	return message.Retention{GC: uint8(r.GC), MinPruneTime: r.MinAge, IgnoreDisabled: uint8(r.IgnoreDisabled), MaxAge: r.MaxAge,
		MaxBytes: r.MaxBytes, Force: r.Force}
}

func retention(m message.Retention) pipeproc.Retention {
	return pipeproc.Retention{GC: pipeproc.Switch(m.GC), MinAge: m.MinPruneTime, IgnoreDisabled: pipeproc.Switch(m.IgnoreDisabled),
		MaxAge: m.MaxAge, MaxBytes: m.MaxBytes, Force: m.Force}
}

func statsOf(s pipeproc.Stats) message.Stats {
	return message.Stats{Commits: s.Commits, Records: s.Records, Bytes: s.Bytes, Groups: s.Groups, Syncs: s.Syncs, Rejected: s.Rejected,
		Checkpoints: s.Checkpoints, Position: s.Position, Durable: s.Durable, Topics: s.Topics, WALBytes: s.WALBytes, WALFiles: s.WALFiles, WALMapped: s.WALMapped,
		SegmentBytes: s.SegmentBytes, TailBytes: s.TailBytes, IndexBytes: s.IndexBytes, OpenFiles: s.OpenFiles, Mapped: s.Mapped, Ahead: s.Ahead, Err: textOf(s.Err)}
}

func stats(m message.Stats) pipeproc.Stats {
	s := pipeproc.Stats{Commits: m.Commits, Records: m.Records, Bytes: m.Bytes, Groups: m.Groups, Syncs: m.Syncs, Rejected: m.Rejected,
		Checkpoints: m.Checkpoints, Position: m.Position, Durable: m.Durable, Topics: m.Topics, WALBytes: m.WALBytes, WALFiles: m.WALFiles, WALMapped: m.WALMapped,
		SegmentBytes: m.SegmentBytes, TailBytes: m.TailBytes, IndexBytes: m.IndexBytes, OpenFiles: m.OpenFiles, Mapped: m.Mapped, Ahead: m.Ahead}
	if m.Err != "" {
		s.Err = errors.New(m.Err)
	}
	return s
}

func retryOf(r pipeproc.RetryPolicy) message.Retry {
	return message.Retry{MaxReclaims: r.MaxReclaims, ReclaimTimeout: r.ReclaimTimeout, OnMaxReclaims: uint8(r.OnMaxReclaims),
		DeadLetterTopic: r.DeadLetterTopic, Backoff: r.Backoff, MaxBackoff: r.MaxBackoff}
}

func retry(m message.Retry) pipeproc.RetryPolicy {
	return pipeproc.RetryPolicy{MaxReclaims: m.MaxReclaims, ReclaimTimeout: m.ReclaimTimeout, OnMaxReclaims: pipeproc.Strategy(m.OnMaxReclaims),
		DeadLetterTopic: m.DeadLetterTopic, Backoff: m.Backoff, MaxBackoff: m.MaxBackoff}
}

func procArgs(o pipeproc.ProcOptions) message.ProcArgs {
	return message.ProcArgs{Name: o.Name, Topic: o.Topic, Offset: o.Offset, Count: o.Count, Retry: retryOf(o.Retry), Ephemeral: o.Ephemeral}
}

func procOptions(m message.ProcArgs) pipeproc.ProcOptions {
	return pipeproc.ProcOptions{Name: m.Name, Topic: m.Topic, Offset: m.Offset, Count: m.Count, Retry: retry(m.Retry), Ephemeral: m.Ephemeral}
}

func systemProcArgs(o pipeproc.SystemProcOptions) message.SystemProcArgs {
	return message.SystemProcArgs{Options: message.SystemProcOptions{Name: o.Name, From: o.From, PerTopic: o.PerTopic, To: o.To,
		ProcessorName: o.ProcessorName, Command: o.Command, Source: o.Source, Count: o.Count, Lanes: o.Lanes, Replace: o.Replace,
		Offset: o.Offset, Retry: retryOf(o.Retry)}}
}

func systemProcOptions(m message.SystemProcOptions) pipeproc.SystemProcOptions {
	return pipeproc.SystemProcOptions{Name: m.Name, From: m.From, PerTopic: m.PerTopic, To: m.To, ProcessorName: m.ProcessorName,
		Command: m.Command, Source: m.Source, Count: m.Count, Lanes: m.Lanes, Replace: m.Replace, Offset: m.Offset, Retry: retry(m.Retry)}
}

func systemProcOf(i pipeproc.SystemProcInfo) message.SystemProc {
	return message.SystemProc{Name: i.Name, Processor: i.Processor, From: i.From, To: i.To, Procs: i.Procs, Command: i.Command,
		Count: i.Count, Lanes: i.Lanes, CreatedAt: msOf(i.CreatedAt), Running: i.Running}
}

func systemProcInfo(m message.SystemProc) pipeproc.SystemProcInfo {
	return pipeproc.SystemProcInfo{Name: m.Name, Processor: m.Processor, From: m.From, To: m.To, Procs: m.Procs, Command: m.Command,
		Count: m.Count, Lanes: m.Lanes, CreatedAt: timeOf(m.CreatedAt), Running: m.Running}
}

func procOf(i pipeproc.ProcInfo) message.Proc {
	return message.Proc{Name: i.Name, Topic: i.Topic, Offset: i.Offset, CreatedAt: msOf(i.CreatedAt), LastClaimedAt: msOf(i.LastClaimedAt),
		LastAckedAt: msOf(i.LastAckedAt), Disabled: i.Disabled, Reclaims: i.Reclaims, Retry: retryOf(i.Retry), Claim: i.Claim, Next: i.Next,
		Pending: i.Pending, Skipped: i.Skipped, RetryAt: msOf(i.RetryAt), Ephemeral: i.Ephemeral, System: i.System, Waiting: i.Waiting,
		LastClaimed: message.RangeOf(i.LastClaimed), PreviousClaimed: message.RangeOf(i.PreviousClaimed), LastAcked: message.RangeOf(i.LastAcked)}
}

func procInfo(m message.Proc) pipeproc.ProcInfo {
	return pipeproc.ProcInfo{Name: m.Name, Topic: m.Topic, Offset: m.Offset, CreatedAt: timeOf(m.CreatedAt), LastClaimedAt: timeOf(m.LastClaimedAt),
		LastAckedAt: timeOf(m.LastAckedAt), Disabled: m.Disabled, Reclaims: m.Reclaims, Retry: retry(m.Retry), Claim: m.Claim, Next: m.Next,
		Pending: m.Pending, Skipped: m.Skipped, RetryAt: timeOf(m.RetryAt), Ephemeral: m.Ephemeral, System: m.System, Waiting: m.Waiting,
		LastClaimed: record.Range(m.LastClaimed), PreviousClaimed: record.Range(m.PreviousClaimed), LastAcked: record.Range(m.LastAcked)}
}

// each converts a list. nil stays nil.
func each[A, B any](list []A, fn func(A) B) []B {
	if list == nil {
		return nil
	}
	out := make([]B, len(list))
	for i, a := range list {
		out[i] = fn(a)
	}
	return out
}
