package drill

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"lifeboat/internal/agent"
	"lifeboat/internal/config"
)

// runningAgent is the process that drains, as the drill drives it.
type runningAgent interface {
	// Barrier returns nil when everything committed before the call is in both regions.
	Barrier(ctx context.Context) error
	// Kill ends it at once, without a goodbye, and returns when it is gone. Again: nil.
	Kill() error
}

const (
	drainEvery   = 20 * time.Millisecond
	barrierWait  = 2 * time.Second
	startTimeout = 10 * time.Minute // a base of a large source takes its time
)

// within is an agent in this process.
type within struct {
	agent *agent.Agent
	stop  context.CancelFunc
	ended chan error
}

func (s *scene) startWithin(ctx context.Context) (runningAgent, error) {
	a, err := agent.Start(ctx, agent.Config{
		Source: s.source, Primary: s.primary, Mirror: s.mirror, Reason: "drill",
		DrainInterval: drainEvery, BarrierTimeout: barrierWait, Log: s.cfg.Log, Clock: s.cfg.Clock,
	})
	if err != nil {
		return nil, err
	}
	run, stop := context.WithCancel(context.WithoutCancel(ctx))
	w := &within{agent: a, stop: stop, ended: make(chan error, 1)}
	go func() {
		w.ended <- a.Run(run)
		close(w.ended)
	}()
	select {
	case <-a.Ready():
		return w, nil
	case err := <-w.ended:
		return nil, errors.Join(errors.New("the agent ended before its first base"), err)
	case <-ctx.Done():
		return nil, errors.Join(ctx.Err(), w.Kill())
	}
}

func (w *within) Barrier(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, barrierWait)
	defer cancel()
	_, err := w.agent.Barrier(ctx)
	return err
}

func (w *within) Kill() error {
	w.agent.Kill()
	w.stop()
	<-w.ended //nolint:errcheck // how it ended does not matter: it was killed
	return nil
}

// child is an agent in a process of its own.
type child struct {
	cmd    *exec.Cmd
	config string // its configuration file
	place  string // the file in which it says where it listens
	url    string // known when that is
	client *http.Client
	output *os.File
	ended  chan struct{}
	err    error // of Wait, after ended
}

// startChild runs the agent's own command with a configuration file.
func (s *scene) startChild(ctx context.Context) (runningAgent, error) {
	c, err := s.spawn(ctx)
	if err != nil {
		return nil, err
	}
	ready, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	if err := c.await(ready); err != nil {
		return nil, errors.Join(err, c.Kill())
	}
	return c, nil
}

// addressName is the file in which a child says where it listens.
const addressName = "agent.address"

func (s *scene) spawn(ctx context.Context) (*child, error) {
	file := config.Defaults()
	if s.cfg.File != nil {
		file = *s.cfg.File
	}
	file.Database = config.URL(s.database.URL())
	file.Primary.Store, file.Mirror.Store = config.URL(s.cfg.Primary.URL), config.URL(s.cfg.Mirror.URL)
	file.Log.DrainInterval, file.Agent.BarrierTimeout = drainEvery, barrierWait
	file.Agent.Listen = "127.0.0.1:0"
	place := filepath.Join(s.cfg.Dir, addressName)
	text, err := config.Render(&file)
	if err != nil {
		return nil, err
	}
	path := filepath.Join(s.cfg.Dir, "agent.yaml")
	if err := os.WriteFile(path, text, 0o600); err != nil {
		return nil, err
	}
	if err := os.Remove(place); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	output, err := os.OpenFile(filepath.Join(s.cfg.Dir, "agent.log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	c := &child{cmd: s.cfg.Agent(context.WithoutCancel(ctx), path, place), config: path, place: place, output: output, ended: make(chan struct{}), client: &http.Client{}}
	c.cmd.Stdout, c.cmd.Stderr = output, output
	if err := c.cmd.Start(); err != nil {
		return nil, errors.Join(fmt.Errorf("start the agent: %w", err), output.Close())
	}
	go func() {
		c.err = c.cmd.Wait()
		close(c.ended)
	}()
	return c, nil
}

// await waits until the child says where it listens and that it is well.
func (c *child) await(ctx context.Context) error {
	tick := time.NewTicker(poll)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return fmt.Errorf("the agent does not get ready: %w; see %s", ctx.Err(), c.output.Name())
		case <-c.ended:
			return fmt.Errorf("the agent ended (%w); see %s", c.err, c.output.Name())
		case <-tick.C:
		}
		address, err := os.ReadFile(c.place)
		if err != nil {
			continue // not written yet
		}
		c.url = "http://" + strings.TrimSpace(string(address))
		if c.ask(ctx, http.MethodGet, "/healthz") == nil {
			return nil
		}
	}
}

func (c *child) ask(ctx context.Context, method, path string) error {
	request, err := http.NewRequestWithContext(ctx, method, c.url+path, nil)
	if err != nil {
		return err
	}
	response, err := c.client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	var body struct{ Error string }
	if err := json.NewDecoder(io.LimitReader(response.Body, 1<<20)).Decode(&body); err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s %s", path, response.Status, body.Error)
	}
	return nil
}

func (c *child) Barrier(ctx context.Context) error {
	return c.ask(ctx, http.MethodPost, "/v1/barrier?timeout="+barrierWait.String())
}

// Kill is SIGKILL.
func (c *child) Kill() error {
	err := c.cmd.Process.Kill()
	if errors.Is(err, os.ErrProcessDone) {
		err = nil
	}
	<-c.ended
	c.client.CloseIdleConnections()
	// It may hold the password of a database, and the drill's folder may be kept.
	if rerr := os.Remove(c.config); !errors.Is(rerr, os.ErrNotExist) {
		err = errors.Join(err, rerr)
	}
	if cerr := c.output.Close(); !errors.Is(cerr, os.ErrClosed) {
		err = errors.Join(err, cerr)
	}
	return err
}
