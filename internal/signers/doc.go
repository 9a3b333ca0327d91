// Package signers says who signed something, and whether enough of the right people did.
//
// It owns three small things:
//
//   - a [Ring]: an OpenSSH allowed_signers file read as "this key belongs to that person,
//     who holds these roles". The first principal of a line is the person; every further one
//     is a role, written role:NAME, so the same file serves git and ssh-keygen -Y verify -I.
//   - a [Key]: a private key in a file or in ssh-agent that makes SSHSIG signatures, the
//     format of ssh-keygen -Y sign, under a namespace.
//   - a [Quorum]: seats to be filled by different people, each seat open to some roles.
//
// It refuses what would make one key stand for several people (patterns in principals, the
// same key on two lines), keys that are weak, certificates, times without a zone, and every
// option that it does not know: a line that is not understood whole is an error, never
// skipped.
//
// A document is sealed as its own text followed by the armored signature, so that a person
// with ssh-keygen alone can check it:
//
//	sed '/^-----BEGIN SSH SIGNATURE-----$/,$d' entry > text
//	sed -n '/^-----BEGIN SSH SIGNATURE-----$/,$p' entry > text.sig
//	ssh-keygen -Y verify -f allowed_signers -I ada@example.org -n lifeboat-incident -s text.sig < text
//
// Keys are retired with valid-before, not by removing their line: what they signed while
// they were valid has to stay verifiable.
package signers
