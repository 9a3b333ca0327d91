package eventlog

import "context"

// signal wakes those who wait for one kind of event, all at once. Guarded by Writer.mu.
type signal struct {
	raised  chan struct{} // closed by all; nil while nobody waits
	waiting int
	waking  int // woken, and not yet back from wait
}

func (s *signal) all() {
	if s.raised != nil {
		close(s.raised)
		s.raised = nil
		s.waking += s.waiting
		s.waiting = 0
	}
}

// back counts one who returns from wait.
func (s *signal) back(raised chan struct{}) {
	if s.raised == raised {
		s.waiting-- // the context ended first
	} else {
		s.waking--
	}
}

// wait lets go of the lock until the signal is raised.
func (w *Writer) wait(ctx context.Context, s *signal) error {
	if s.raised == nil {
		s.raised = make(chan struct{})
	}
	raised := s.raised
	s.waiting++
	w.mu.Unlock()
	defer func() {
		w.mu.Lock()
		if s.back(raised); s.waking == 0 {
			w.wake()
		}
	}()
	select {
	case <-raised:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
