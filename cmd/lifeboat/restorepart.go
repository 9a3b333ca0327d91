package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"sync"

	"lifeboat/internal/config"
	"lifeboat/internal/database"
	"lifeboat/restore"
)

// shardResult is what restore --shard prints with --json.
type shardResult struct {
	Version int            `json:"version"`
	Into    string         `json:"into"`
	PlanID  string         `json:"plan_id"`
	Shard   restore.Part   `json:"shard"`
	Resumed int            `json:"resumed_units"` // found loaded by anybody
	Steps   []restore.Step `json:"steps"`
}

// shardOf is one part of a restore: into what, and which.
type shardOf struct {
	db   database.Target
	into config.URL
	part string
}

// loadShard loads one part, and leaves the rest to who restores after it.
func (a *app) loadShard(ctx context.Context, cfg restore.Config, plan *restore.Plan, s shardOf) error {
	part, err := restore.ParsePart(s.part)
	if err != nil {
		return fmt.Errorf("%w: --shard: %w", errUsage, err)
	}
	r, err := restore.Load(ctx, cfg, plan, s.db, part)
	if err != nil {
		return goesOn(ctx, plan, err)
	}
	result := shardResult{1, s.into.String(), r.PlanID, part, r.Resumed, r.Steps}
	return a.report(result, func(w io.Writer) {
		line(w, "loaded\tpart %s\tof the restore to %s", part, &r.Point)
		line(w, "into\t%s", s.into)
		for _, step := range r.Steps {
			line(w, "%s\t%.3f s", step.Name, step.Seconds)
		}
		line(w, "next\twhen every part is loaded: the same restore without --shard, which finishes and verifies")
	})
}

// writeProof leaves a proof where whoever asked for the restore looks for it. The file may
// be there: a container's termination log is.
func writeProof(path string, p restore.Proof) error {
	text, err := json.Marshal(p)
	if err != nil {
		return fmt.Errorf("encode the proof: %w", err)
	}
	if err := os.WriteFile(path, append(text, '\n'), 0o600); err != nil {
		return fmt.Errorf("the restore is verified, and its proof could not be written: %w", err)
	}
	return nil
}

// restoreProgress draws bars for people, and logs lines for programs.
func (a *app) restoreProgress(bars *stepBars) func(restore.Progress) {
	if !a.json {
		return bars.progress
	}
	log := a.logger()
	return restore.Tenths(func(p restore.Progress) {
		log.Info("progress", "step", p.Step, "done", p.Done, "total", p.Total)
	})
}

// stepBars draws one bar after the other as the steps of a restore go by.
type stepBars struct {
	app  *app
	mu   sync.Mutex
	step string
	bar  *bar
}

func (s *stepBars) progress(p restore.Progress) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.step != p.Step {
		if s.bar != nil {
			s.bar.done()
		}
		s.step, s.bar = p.Step, s.app.progress(p.Step, p.Total)
	}
	s.bar.set(p.Done, p.Total)
}

func (s *stepBars) done() {
	if s.bar != nil {
		s.bar.done()
	}
}
