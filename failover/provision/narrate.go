package provision

import (
	"fmt"
	"strings"
	"sync"

	"github.com/pulumi/pulumi/sdk/v3/go/auto/events"
	"github.com/pulumi/pulumi/sdk/v3/go/common/apitype"
)

// narrator turns the engine's events into lines for whoever watches.
type narrator struct {
	say  func(string)
	over chan struct{} // closed when no more events will come
	done sync.WaitGroup
	n    int // resources that have changed
	// failed are the resources that could not be created, as far as was said.
	failed []apitype.StepEventStateMetadata
}

// listen returns where the engine sends its events. An engine that never starts does not
// close it, so wait must be called when the update has ended.
func (n *narrator) listen() chan<- events.EngineEvent {
	c := make(chan events.EngineEvent)
	n.over = make(chan struct{})
	n.done.Go(func() {
		for {
			select {
			case e, open := <-c:
				if !open {
					return
				}
				n.hear(e)
			case <-n.over:
				return
			}
		}
	})
	return c
}

// wait ends listening: the update has ended, so every event has been sent.
func (n *narrator) wait() {
	close(n.over)
	n.done.Wait()
}

func (n *narrator) hear(e events.EngineEvent) {
	if f := e.ResOpFailedEvent; f != nil && f.Metadata.Op == apitype.OpCreate && f.Metadata.New != nil {
		n.failed = append(n.failed, *f.Metadata.New)
	}
	if e.ResOutputsEvent == nil || n.say == nil {
		return
	}
	m := e.ResOutputsEvent.Metadata
	if m.Op == apitype.OpSame || m.Op == apitype.OpRefresh {
		return
	}
	n.n++
	n.say(fmt.Sprintf("%d: %sd %s", n.n, strings.TrimSuffix(string(m.Op), "d"), short(m.URN)))
}

// short is what a person needs of a URN: type and name.
func short(urn string) string {
	parts := strings.Split(urn, "::")
	if len(parts) < 4 {
		return urn
	}
	kind := parts[2][strings.LastIndexByte(parts[2], '$')+1:]
	return kind + " " + parts[len(parts)-1]
}
