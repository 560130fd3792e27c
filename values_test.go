package pipeproc

import (
	"testing"

	"github.com/pipeproc/pipeproc/engine"
	"github.com/pipeproc/pipeproc/gcprune"
	"github.com/pipeproc/pipeproc/segment"
)

// The root's constants are literals, so that go doc shows them; they are converted to
// the types below by value.
func TestConstantsAreThoseBelow(t *testing.T) {
	for name, same := range map[string]bool{
		"durabilities": ByMode == Durability(engine.ByMode) && Durable == Durability(engine.Durable) && Buffered == Durability(engine.Buffered),
		"sync modes":   SyncAlways == SyncMode(engine.SyncAlways) && SyncNever == SyncMode(engine.SyncNever),
		"switches":     SwitchInherit == Switch(gcprune.Inherit) && SwitchOn == Switch(gcprune.On) && SwitchOff == Switch(gcprune.Off),
		"reasons":      PrunedAcknowledged == PruneReason(gcprune.Acknowledged) && PrunedByAge == PruneReason(gcprune.Age) && PrunedBySize == PruneReason(gcprune.Size),
		"compressions": NoCompression == Compression(segment.None) && Zstd == Compression(segment.Zstd),
		"events": EventOpened == EventKind(engine.EventOpened) && EventRecovered == EventKind(engine.EventRecovered) && EventCut == EventKind(engine.EventCut) &&
			EventCheckpoint == EventKind(engine.EventCheckpoint) && EventDamage == EventKind(engine.EventDamage) && EventFailed == EventKind(engine.EventFailed) &&
			EventDiskFull == EventKind(engine.EventFull) && EventMoved == EventKind(engine.EventMoved) && EventPruned == EventKind(engine.EventPruned) && EventClaimTimeout == EventKind(engine.EventClaimTimeout),
		"headers": HeaderDeadProc == engine.DeadProc && HeaderDeadID == engine.DeadID && HeaderDeadTopic == engine.DeadTopic && HeaderDeadAttempts == engine.DeadAttempts && HeaderDeadReason == engine.DeadReason,
	} {
		if !same {
			t.Errorf("%s differ", name)
		}
	}
}
