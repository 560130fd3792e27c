package procstate

import (
	"fmt"
	"time"

	"github.com/pipeproc/pipeproc/internal/errs"
	"github.com/pipeproc/pipeproc/record"
)

// Defaults of options that are zero.
const (
	DefaultMaxReclaims    = 10
	DefaultReclaimTimeout = 10 * time.Second
	DefaultMaxBackoff     = time.Minute
)

// maxDuration bounds timeouts and delays; longer ones are mistakes.
const maxDuration = 100 * 365 * 24 * time.Hour

// Check fills in the defaults of a proc on topic, and refuses invalid values.
// Durations are rounded up to milliseconds.
func (o Options) Check(topic string) (Options, error) {
	bad := func(name, format string, a ...any) (Options, error) {
		return o, errs.InvalidProcOptions.With(name + ": " + fmt.Sprintf(format, a...))
	}
	if o.Offset == "" {
		o.Offset = ">"
	}
	if o.MaxReclaims == 0 {
		o.MaxReclaims = DefaultMaxReclaims
	}
	if o.MaxReclaims < -1 {
		return bad("MaxReclaims", "%d is neither a number of times nor -1 for no limit", o.MaxReclaims)
	}
	if o.ReclaimTimeout == 0 {
		o.ReclaimTimeout = DefaultReclaimTimeout
	}
	if o.ReclaimTimeout < 0 {
		o.ReclaimTimeout = -time.Millisecond
	}
	if o.OnMax >= numStrategies {
		return bad("OnMaxReclaims", "unknown strategy %d", o.OnMax)
	}
	switch {
	case o.OnMax != DeadLetter && o.DeadLetter != "":
		return bad("DeadLetterTopic", "it goes with the strategy deadletter only")
	case o.OnMax == DeadLetter && o.MaxReclaims < 0:
		return bad("MaxReclaims", "without a limit nothing ever goes to the dead-letter topic")
	case o.OnMax == DeadLetter && o.DeadLetter == "":
		o.DeadLetter = topic + "__dead"
	}
	if o.OnMax == DeadLetter {
		if err := record.CheckName(o.DeadLetter); err != nil {
			return bad("DeadLetterTopic", "%v", err)
		}
		if o.DeadLetter == topic {
			return bad("DeadLetterTopic", "it is the topic that the proc reads")
		}
	}
	if o.Backoff < 0 {
		return bad("Backoff", "it is negative")
	}
	if o.MaxBackoff < 0 {
		return bad("MaxBackoff", "it is negative")
	}
	if o.Backoff > 0 && o.MaxBackoff == 0 {
		o.MaxBackoff = max(DefaultMaxBackoff, o.Backoff)
	}
	for _, f := range []struct {
		name string
		d    *time.Duration
	}{{"ReclaimTimeout", &o.ReclaimTimeout}, {"Backoff", &o.Backoff}, {"MaxBackoff", &o.MaxBackoff}} {
		if *f.d > maxDuration {
			return bad(f.name, "%v is too long", *f.d)
		}
		*f.d = (*f.d + time.Millisecond - 1).Truncate(time.Millisecond)
	}
	if o.ReclaimTimeout <= 0 { // rounded up from -1 ms
		o.ReclaimTimeout = -time.Millisecond
	}
	return o, nil
}
