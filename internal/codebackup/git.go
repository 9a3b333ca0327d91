package codebackup

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
)

// git runs git in one folder, without questions and in the language that is parsed here.
type git struct{ dir string }

func (g git) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "git", append([]string{"-C", g.dir}, args...)...)
	cmd.Env = append(cmd.Environ(), "GIT_TERMINAL_PROMPT=0", "LC_ALL=C")
	return cmd
}

// run returns what the command printed.
func (g git) run(ctx context.Context, stdin io.Reader, args ...string) (string, error) {
	cmd := g.command(ctx, args...)
	cmd.Stdin = stdin
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		return "", failed(args, err, errs.String())
	}
	return out.String(), nil
}

func failed(args []string, err error, stderr string) error {
	if errors.Is(err, exec.ErrNotFound) {
		return fmt.Errorf("git is not installed here: install it and run this again: %w", err)
	}
	return fmt.Errorf("git %s: %w: %s", args[0], err, strings.TrimSpace(stderr))
}

// state is what a repository's refs say now.
type state struct {
	head, commit string
	refs         map[string]string
}

// state reads the refs, refusing what cannot be backed up whole.
func (g git) state(ctx context.Context) (state, error) {
	shallow, err := g.run(ctx, nil, "rev-parse", "--is-shallow-repository")
	if err != nil {
		return state{}, fmt.Errorf("%w: %s: %w", ErrRepository, g.dir, err)
	}
	if strings.TrimSpace(shallow) == "true" {
		return state{}, fmt.Errorf("%w: %s is a shallow clone, its history is not here: run git fetch --unshallow", ErrRepository, g.dir)
	}
	out, err := g.run(ctx, nil, "for-each-ref", "--format=%(objectname) %(refname)")
	if err != nil {
		return state{}, err
	}
	s := state{refs: make(map[string]string)}
	for line := range strings.Lines(out) {
		id, ref, ok := strings.Cut(strings.TrimSpace(line), " ")
		if !ok || !refName.MatchString(ref) {
			return state{}, fmt.Errorf("%w: git names a ref %q", ErrRepository, line)
		}
		s.refs[ref] = id
	}
	// Neither exists in every repository: HEAD may be detached, or point at nothing yet.
	if head, err := g.run(ctx, nil, "symbolic-ref", "-q", "HEAD"); err == nil {
		s.head = strings.TrimSpace(head)
	}
	if commit, err := g.run(ctx, nil, "rev-parse", "-q", "--verify", "HEAD^{commit}"); err == nil {
		s.commit = strings.TrimSpace(commit)
	}
	return s, nil
}

// has reports which of the ids the repository still holds.
func (g git) has(ctx context.Context, ids []string) ([]string, error) {
	out, err := g.run(ctx, strings.NewReader(strings.Join(ids, "\n")+"\n"), "cat-file", "--batch-check=%(objectname) %(objecttype)")
	if err != nil {
		return nil, err
	}
	var held []string
	for line := range strings.Lines(out) {
		if id, kind, _ := strings.Cut(strings.TrimSpace(line), " "); kind != "missing" {
			held = append(held, id)
		}
	}
	return held, nil
}

// news reports whether any object is reachable from the refs and not from the known ids.
func (g git) news(ctx context.Context, known []string) (bool, error) {
	out, err := g.run(ctx, strings.NewReader(revisions(known)), "rev-list", "--objects", "--max-count=1", "--all", "--stdin")
	return strings.TrimSpace(out) != "", err
}

// bundle streams a bundle of all refs, without what the known ids reach.
func (g git) bundle(ctx context.Context, known []string, to func(io.Reader) error) error {
	args := []string{"bundle", "create", "--quiet", "-", "--all", "--stdin"}
	cmd := g.command(ctx, args...)
	cmd.Stdin = strings.NewReader(revisions(known))
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return failed(args, err, "")
	}
	err = to(out)
	_, _ = io.Copy(io.Discard, out) // lets git end after a failed upload
	if werr := cmd.Wait(); werr != nil && err == nil {
		err = failed(args, werr, errs.String())
	}
	return err
}

// revisions leaves out what the known ids reach. By standard input, for there may be more
// refs than a command line takes.
func revisions(known []string) string {
	var b strings.Builder
	for _, id := range known {
		b.WriteString("^" + id + "\n")
	}
	return b.String()
}
