package main

import (
	"context"
	"fmt"
	"sync"

	"lifeboat/failover"
	"lifeboat/failover/provision"
	"lifeboat/failover/salvage"
	"lifeboat/internal/blob"
	"lifeboat/stacks/settings"
)

// mirrored says how the database is protected once users are served again.
func (e *expedition) mirrored(d *salvage.Database) {
	next := e.bridge.config.Failover.NewMirror
	if e.plan.Kind == failover.Drill || next.Store == "" {
		return
	}
	d.Mirror, d.MirrorName = e.mirror, next.Store.Redacted()
	if e.mirrorHalf() != (settings.Half{}) {
		// The cluster's agent begins to capture when its stack is live and knows the mirror.
		d.Attach, d.Agents = e.attach, e.bridge.config.Failover.Target == ""
	}
}

// newMirror opens the new mirror's store, and makes it where there is none. It is opened
// once: a store remembers what its keys are.
func (e *expedition) newMirror() func(context.Context) (blob.Store, error) {
	var turn sync.Mutex
	var opened blob.Store
	return func(ctx context.Context) (blob.Store, error) {
		turn.Lock()
		defer turn.Unlock()
		if opened != nil {
			return opened, nil
		}
		stores, next := e.app.stores(e.bridge.config), e.bridge.config.Failover.NewMirror
		if err := stores.make(ctx, next); err != nil {
			return nil, err
		}
		store, err := stores.open(ctx, next)
		opened = store
		return store, err
	}
}

// mirrorHalf is the standing stack that holds the new mirror; zero when it is no stack's of
// these settings, so that the stack cannot be let in.
func (e *expedition) mirrorHalf() settings.Half {
	if e.bridge.stack == nil || e.plan.Kind == failover.Drill {
		return settings.Half{}
	}
	half, _ := e.bridge.stack.HalfOf(e.bridge.config.Failover.NewMirror.Store.Reveal())
	return half
}

// attach gives the stack's agent its new mirror.
func (e *expedition) attach(ctx context.Context) error {
	all := provision.Phase{Deploy: true, Live: true, Mirrored: true}
	if _, done, err := e.stack.At(ctx, all); done || err != nil {
		return err
	}
	_, err := e.stack.Up(ctx, all, func(string) {})
	return err
}

// mirrorNotes tell what is not as it should be with the new mirror. It does not stop a run:
// users can be served without one.
func (e *expedition) mirrorNotes(ctx context.Context) []string {
	next := e.bridge.config.Failover.NewMirror
	switch {
	case e.plan.Kind == failover.Drill:
		return nil
	case next.Store == "":
		return []string{"failover.new_mirror.store is not set: after this run there is no mirror"}
	}
	var notes []string
	asked, cancel := context.WithTimeout(ctx, runPatience)
	defer cancel()
	if _, err := e.mirror(asked); err != nil {
		notes = append(notes, fmt.Sprintf("failover.new_mirror %s cannot be opened: %v; the step capture needs it, and nothing before that does", next.Store, err))
	}
	if e.stack != nil && e.mirrorHalf() == (settings.Half{}) {
		notes = append(notes, fmt.Sprintf("failover.new_mirror %s is no standing stack's store by failover.stack_file: the cluster's agent cannot mirror there; "+
			"start 'lifeboat agent' elsewhere when the run has ended", next.Store))
	}
	return notes
}
