package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"lifeboat/failover/incident"
)

func (a *app) incidentNoteCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "note ID", Short: "Add what is worth keeping; nobody is informed", Args: incidentArg}
	e := a.entryFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return e.do(cmd, args[0], incident.Entry{Kind: incident.Updated})
	}
	required(cmd, "text")
	return cmd
}

func (a *app) incidentUpdateCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "update ID", Short: "Add progress, and tell the whole committee how it stands", Args: incidentArg}
	e := a.entryFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := e.do(cmd, args[0], incident.Entry{Kind: incident.Updated}); err != nil {
			return err
		}
		return e.remind(cmd, args[0], true)
	}
	required(cmd, "text")
	return cmd
}

func (a *app) incidentNotifyCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "notify ID",
		Short: "Tell how it stands to whoever was not reached; with nobody left, to all",
		Args:  incidentArg,
	}
	e := a.entryFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error { return e.remind(cmd, args[0], false) }
	return cmd
}

// remind sends the state of things.
func (e *entryFlags) remind(cmd *cobra.Command, arg string, all bool) error {
	o, id, err := e.openFor(cmd.Context(), arg)
	if err != nil {
		return err
	}
	return e.tell(cmd.Context(), o, incident.Entry{}, func(d incident.Draft) (incident.Outcome, error) { return o.desk.Remind(cmd.Context(), id, d, all) })
}

func (a *app) incidentInformedCommand() *cobra.Command {
	var people []string
	var how string
	cmd := &cobra.Command{
		Use:     "informed ID",
		Short:   "Record that a person informed members of the committee, by telephone for instance",
		Example: "  lifeboat incident informed SI-2026-0001 --people lin@example.org --how phone",
		Args:    incidentArg,
	}
	e := a.entryFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return e.do(cmd, args[0], incident.Entry{Kind: incident.Informed, Told: &incident.Told{People: people, How: how}})
	}
	cmd.Flags().StringSliceVar(&people, "people", nil, "who was informed, by their ids, separated by commas")
	cmd.Flags().StringVar(&how, "how", "", "how: phone, in person")
	required(cmd, "people", "how")
	return cmd
}

func (a *app) incidentMeetingCommand() *cobra.Command {
	var present []string
	var held bool
	cmd := &cobra.Command{Use: "meeting ID", Short: "Record that the emergency meeting is called, or was held", Args: incidentArg}
	e := a.entryFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return e.do(cmd, args[0], incident.Entry{Kind: incident.Meeting, Gathering: &incident.Gathering{Present: present, Held: held}})
	}
	cmd.Flags().StringSliceVar(&present, "present", nil, "who came or is called, by their ids")
	cmd.Flags().BoolVar(&held, "held", false, "it was held")
	return cmd
}

func (a *app) incidentAnnounceCommand() *cobra.Command {
	var file, send string
	cmd := &cobra.Command{
		Use:   "announce ID",
		Short: "Draft a message to customers, or send one that the committee has approved",
		Long: `With --file, keep a draft and ask the committee to approve it. With --send, send the approved
draft of that digest (its beginning is enough) to the channels for customers, or say that it is to be
sent by hand when there are none. A text that looks like it holds personal data is not even kept.`,
		Args: incidentArg,
	}
	e := a.entryFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if (file == "") == (send == "") {
			return fmt.Errorf("%w: give either --file or --send", errUsage)
		}
		if send != "" {
			return e.release(cmd, args[0], send)
		}
		body, err := os.ReadFile(file)
		if err != nil {
			return fmt.Errorf("%w: %w", errUsage, err)
		}
		return e.do(cmd, args[0], incident.Entry{Kind: incident.MessageDrafted, Message: incident.NewMessage(strings.TrimSpace(string(body)))})
	}
	cmd.Flags().StringVar(&file, "file", "", "draft the text of this file")
	cmd.Flags().StringVar(&send, "send", "", "send the approved draft of this digest; 'latest' for the newest")
	return cmd
}

func (e *entryFlags) release(cmd *cobra.Command, arg, digest string) error {
	o, state, err := e.openAt(cmd.Context(), arg)
	if err != nil {
		return err
	}
	whole, err := letter(state, digest)
	if err != nil {
		return err
	}
	return e.tell(cmd.Context(), o, incident.Entry{}, func(d incident.Draft) (incident.Outcome, error) {
		return o.desk.Release(cmd.Context(), state.ID, whole, d)
	})
}

// letter finds the draft that a digest's beginning names.
func letter(s incident.State, digest string) (string, error) {
	var found []string
	for _, l := range s.Letters {
		if digest == "latest" || strings.HasPrefix(l.Message.Digest, digest) {
			found = append(found, l.Message.Digest)
		}
	}
	if len(found) == 0 || digest != "latest" && len(found) > 1 {
		return "", fmt.Errorf("%w: %d drafts have a digest that begins with %q; 'lifeboat incident show' lists them", errUsage, len(found), digest)
	}
	return found[len(found)-1], nil
}
