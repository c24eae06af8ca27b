package ModSSL::Ticket;

=head1 NAME

ModSSL::Ticket - visits that bring a session along, and what its ticket tells

=head1 SYNOPSIS

    my $seen = visit($httpd, version => '1.3');                   # how, session, key
    my $again = visit($httpd, version => '1.3', session => $seen->{session});

=head1 FUNCTIONS

C<visit($httpd, version =E<gt> '1.3', session =E<gt> ..., sni =E<gt> 'www.test', port =E<gt> 'https')> makes one connection with
one request and returns a hash: C<how> ("resumed", "full", or "failed: why"), C<session>, C<key> (in hex, the
name of the key that sealed its ticket).

C<key_name($session)> is that name; '' when the session has no ticket. C<key_file($path, $size, $mode)> writes a file of random
bytes and returns the name of the key that it holds.

=cut

use strict;
use warnings;
use Exporter 'import';
use ModSSL::Client qw(:all);
use ModSSL::PKI qw(spew);
our @EXPORT_OK = qw(visit key_name key_file);

# One element of DER: (tag, content, what follows)
sub element {
    my ($der) = @_;
    my ($tag, $length) = unpack 'CC', $der;
    my $at = 2;
    if ($length & 0x80) {
        my $n = $length & 0x7f;
        $length = 0;
        $length = $length * 256 + ord substr $der, $at++, 1 for 1 .. $n;
    }
    return ($tag, substr($der, $at, $length), substr($der, $at + $length));
}

# SSL_SESSION has its ticket under [10]; that begins with the name of its key, 16 bytes.
sub key_name {
    my ($session) = @_;
    my (undef, $rest) = element($session);
    while (length $rest > 2) {
        (my $tag, my $content, $rest) = element($rest);
        return unpack 'H32', (element($content))[1] if $tag == 0xaa;
    }
    return '';
}

sub visit {
    my ($h, %o) = @_;
    my $name = $o{sni} || 'www.test';
    my $s = tls_connect(port => $h->port($o{port} || 'https'), address => $h->{address}, version => $o{version} || '1.3',
                        sni => $name, $o{session} ? (session => $o{session}) : ()) or return { how => "failed: $tls_error" };
    my $r = http_get($s, '/', $name);
    return { how => 'failed: no answer' } if !$r || $r->{status} != 200;
    my $session = session($s);
    my %seen = (how => resumed($s) ? 'resumed' : 'full', session => $session, key => $session ? key_name($session) : '');
    $s->close;
    return \%seen;
}

sub key_file {
    my ($path, $size, $mode) = @_;
    my $bytes = join '', map { chr int rand 256 } 1 .. $size;
    spew("$path.new", $bytes);
    chmod $mode || 0600, "$path.new";
    rename "$path.new", $path or die "$path: $!";
    return unpack 'H32', $bytes;
}

1;
