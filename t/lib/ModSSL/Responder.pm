package ModSSL::Responder;

=head1 NAME

ModSSL::Responder - an OCSP responder that tells the truth or any lie

=head1 SYNOPSIS

    my $r = ModSSL::Responder->new;             # answers in the name of the PKI's ca
    # SSLOCSPDefaultResponder http://127.0.0.1:PORT/revoked
    $r->url('revoked'); $r->url('good?next=none&signer=delegate'); $r->port;
    my @asked = $r->requests;                   # since the last call, oldest first

=head1 DESCRIPTION

A process of its own on 127.0.0.1, and one more for each connection, so that one that hangs holds up nobody. All
end with the test, with the object, or after C<life> seconds. Which answer is given is in the path of the URL, so
that a certificate's authorityInfoAccess or a directive chooses it: a mode, and after a question mark what is to be
different from it. It also takes whole URLs, as a proxy does.

=head2 new(%options)

  signers   { name => base } of certificate and key base.crt, base.key; "ca", "inter" and "ca2" of the PKI are there
  serials   { serial in hex, as openssl prints it => "good" | "revoked" | "unknown" } for the mode by-serial
  port      to listen on (default: a free one)
  life      seconds (default 240)

=head2 Modes

  good revoked unknown          signed answers      by-serial    the status of the "serials"; good if not in there
  real                          what `openssl ocsp` makes of the request with the PKI's ca.index
  no-next no-nonce other-nonce expired future old wrong-serial wrong-signer tampered
  truncated trailing no-der empty huge
  malformed-request internal-error try-later sig-required unauthorized     (responseStatus)
  http-500 wrong-type no-type redirect no-http long-status-line long-header long-type long-location endless
  close never late slow

=head2 What may differ

  status=good|revoked|unknown   signer=NAME   certs=none    key_id=1
  this=SECONDS next=SECONDS|none (from now)    revoked_at=SECONDS   nonce=copy|none|other
  serial=HEX    pad=BYTES (of an extension)    flip=1 (a bit of the signature)   response=N (responseStatus)
  nonce_length name_length signature_length response_length=BYTES (of the other nonce, the responder's name ...)
  cut=BYTES add=BYTES (at the end)   code=N  type=text  delay=SECONDS  drip=SECONDS (per byte)

=head2 url($mode) port requests stop

C<requests> gives a hash for each: path, serial (hex), nonce (hex, or undef), host, type, method.

=head2 answer($request_der, $path)

The DER of the answer, without a server.

=cut

use strict;
use warnings;
use File::Temp qw(tempdir tempfile);
use IO::Select;
use IO::Socket::INET;
use MIME::Base64 qw(decode_base64);
use POSIX qw(strftime);
use Time::HiRes qw(sleep);
use ModSSL::PKI qw(pki_dir pki_file slurp spew openssl);

my %MODE = (
    good    => {},
    revoked => { status => 'revoked' },
    unknown => { status => 'unknown' },
    'by-serial' => { status => 'by-serial' },
    real    => { real => 1 },

    'no-next'      => { next => 'none' },
    'no-nonce'     => { nonce => 'none' },
    'other-nonce'  => { nonce => 'other' },
    expired        => { this => -7200, next => -3600 },
    future         => { this => 7200, next => 10800 },
    old            => { this => -7200 },
    'wrong-serial' => { serial => '0123456789' },
    'wrong-signer' => { signer => 'ca2' },
    tampered       => { flip => 1 },

    truncated => { cut => 100 },
    trailing  => { add => 7 },
    'no-der'  => { body => 'this is not DER' },
    empty     => { body => '' },
    huge      => { pad => 1_000_000 },

    'malformed-request' => { response => 1 },
    'internal-error'    => { response => 2 },
    'try-later'         => { response => 3 },
    'sig-required'      => { response => 5 },
    unauthorized        => { response => 6 },

    'http-500'         => { code => '500 Out of order' },
    'wrong-type'       => { type => 'text/html' },
    'no-type'          => { type => '' },
    redirect           => { code => '302 Found', headers => "Location: http://127.0.0.1:1/elsewhere\r\n" },
    'no-http'          => { raw => "220 mail.test ESMTP\r\n" x 3 },
    'long-status-line' => { code => '200 ' . 'S' x 100_000 },
    'long-header'      => { headers => 'X-Long: ' . 'h' x 100_000 . "\r\n" },
    'long-type'        => { type => 'application/' . 't' x 100_000 },
    'long-location'    => { code => '302 Found', headers => 'Location: http://' . 'l' x 100_000 . "/\r\n" },
    endless            => { endless => 1 },
    close              => { raw => '' },
    never              => { delay => 60 },
    late               => { delay => 4 },
    slow               => { drip => 0.05 },
);

# --- DER --------------------------------------------------------------------

sub tlv {
    my ($tag, @content) = @_;
    my $content = join '', @content;
    my $n = length $content;
    my $length = $n < 128 ? chr $n : do { (my $b = pack 'N', $n) =~ s/^\0+//; chr(0x80 | length $b) . $b };
    return chr($tag) . $length . $content;
}

# The elements of a constructed value's content: [tag, content, all of it].
sub elements {
    my ($der) = @_;
    my @list;
    for (my $at = 0; $at < length $der;) {
        my ($tag, $n, $head) = (ord(substr $der, $at, 1), ord(substr $der, $at + 1, 1), 2);
        if ($n & 0x80) {
            $head += $n & 0x7f;
            $n = hex unpack 'H*', substr $der, $at + 2, $n & 0x7f;
        }
        push @list, [$tag, substr($der, $at + $head, $n), substr($der, $at, $head + $n)];
        $at += $head + $n;
    }
    return @list;
}

sub time_der { return tlv(0x18, strftime('%Y%m%d%H%M%SZ', gmtime(time + $_[0]))) }

my $OID_BASIC = pack 'H*', '06092b0601050507300101';
my $OID_NONCE = pack 'H*', '06092b0601050507300102';
my $OID_PAD   = pack 'H*', '06092b0601050507300109';    # assigned to nothing that anybody looks at
my %ALGORITHM = (rsa => pack('H*', '300d06092a864886f70d01010b0500'), ec => pack('H*', '300a06082a8648ce3d040302'));

# What a request asks about: CertID, serial (hex), nonce extension's value.
sub parse_request {
    my ($der) = @_;
    my %r;
    my ($request) = elements($der);
    my ($tbs)     = elements($request->[1]);
    for my $part (elements($tbs->[1])) {
        if ($part->[0] == 0x30) {
            my ($one) = elements($part->[1]);
            my ($id)  = elements($one->[1]);
            my @id    = elements($id->[1]);
            @r{ 'id', 'serial' } = ($id->[2], uc unpack 'H*', $id[3][1]);
            @r{ 'parts' } = [map { $_->[2] } @id[0 .. 2]];
        }
        elsif ($part->[0] == 0xa2) {
            for my $extension (elements((elements($part->[1]))[0][1])) {
                my @e = elements($extension->[1]);
                $r{nonce} = $e[-1][1] if $e[0][2] eq $OID_NONCE;
            }
        }
    }
    return \%r;
}

sub load_signer {
    my ($base) = @_;
    my ($pem) = slurp("$base.crt") =~ /-----BEGIN CERTIFICATE-----(.*?)-----END/s;
    my $der = decode_base64($pem);
    my ($cert) = elements($der);
    my ($tbs)  = elements($cert->[1]);
    my @tbs    = elements($tbs->[1]);
    my ($key)  = (elements($tbs[6][1]))[1];
    my $kind = openssl('pkey', '-in', "$base.key", '-noout', '-text') =~ /modulus/ ? 'rsa' : 'ec';
    return { der => $der, subject => $tbs[5][2], public => substr($key->[1], 1), key => "$base.key", kind => $kind };
}

sub status_der {
    my ($o, $serial, $serials) = @_;
    my $status = $o->{status} // 'good';
    $status = $serials->{$serial} // 'good' if $status eq 'by-serial';
    return tlv(0x82) if $status eq 'unknown';
    return tlv(0x80) if $status eq 'good';
    return tlv(0xa1, time_der($o->{revoked_at} // -86400), tlv(0xa0, tlv(0x0a, chr 1)));
}

sub extension { return tlv(0x30, $_[0], tlv(0x04, $_[1])) }

sub sha1_of {
    require Digest::SHA;
    return Digest::SHA::sha1($_[0]);
}

sub long_name {
    my ($length) = @_;
    return tlv(0x30, tlv(0x31, tlv(0x30, pack('H*', '0603550403'), tlv(0x0c, 'N' x $length))));
}

sub response_data {
    my ($self, $o, $request, $signer) = @_;
    my $id = $o->{serial} ? tlv(0x30, @{ $request->{parts} }, tlv(0x02, pack 'H*', $o->{serial})) : $request->{id};
    my $next = $o->{next} // 3600;
    my $single = tlv(0x30, $id, status_der($o, $request->{serial}, $self->{serials}), time_der($o->{this} // -60),
                     $next eq 'none' ? '' : tlv(0xa0, time_der($next)));
    my $nonce = ($o->{nonce} // 'copy') eq 'copy' ? $request->{nonce}
              : $o->{nonce} eq 'other'            ? tlv(0x04, 'n' x ($o->{nonce_length} // 16))
              :                                     undef;
    my @extensions = (defined $nonce ? extension($OID_NONCE, $nonce) : (),
                      $o->{pad} ? extension($OID_PAD, 'P' x $o->{pad}) : ());
    my $who = $o->{key_id} ? tlv(0xa2, tlv(0x04, sha1_of($signer->{public}))) : tlv(0xa1, $o->{name_length} ? long_name($o->{name_length}) : $signer->{subject});
    return tlv(0x30, $who, time_der(0), tlv(0x30, $single), @extensions ? tlv(0xa1, tlv(0x30, @extensions)) : ());
}

sub signature {
    my ($self, $signer, $data) = @_;
    my ($fh, $file) = tempfile(DIR => $self->{dir});
    binmode $fh;
    print {$fh} $data;
    close $fh;
    open my $pipe, '-|', 'openssl', 'dgst', '-sha256', '-sign', $signer->{key}, $file or die "openssl: $!";
    binmode $pipe;
    my $signature = do { local $/; <$pipe> };
    close $pipe;
    unlink $file;
    return $signature;
}

sub signed {
    my ($self, $o, $request) = @_;
    my $signer = $self->{signers}{ $o->{signer} // 'ca' } or die "no such signer: $o->{signer}";
    my $data = response_data($self, $o, $request, $signer);
    my $signature = signature($self, $signer, $data);
    substr($signature, -5, 1) ^= "\1" if $o->{flip};
    $signature = 'S' x $o->{signature_length} if $o->{signature_length};
    my $certs = ($o->{certs} // '') eq 'none' ? '' : tlv(0xa0, tlv(0x30, $signer->{der}));
    my $basic = tlv(0x30, $data, $ALGORITHM{ $signer->{kind} }, tlv(0x03, "\0", $signature), $certs);
    return tlv(0x30, tlv(0x0a, "\0" . "\1" x ($o->{response_length} // 0)), tlv(0xa0, tlv(0x30, $OID_BASIC, tlv(0x04, $basic))));
}

# The word of OpenSSL's own responder.
sub real {
    my ($self, $der) = @_;
    my ($fh, $in) = tempfile(DIR => $self->{dir});
    binmode $fh;
    print {$fh} $der;
    close $fh;
    my $pki = pki_dir();
    openssl('ocsp', '-index', "$pki/ca.index", '-CA', "$pki/ca.crt", '-rsigner', "$pki/ca.crt", '-rkey', "$pki/ca.key",
            '-nmin', 5, '-reqin', $in, '-respout', "$in.answer");
    my $answer = slurp("$in.answer");
    unlink $in, "$in.answer";
    return $answer;
}

sub options_of {
    my ($path) = @_;
    my ($mode, $changes) = $path =~ m{^(?:http://[^/]*)?/?([^?]*)(?:\?(.*))?$};
    my %o = (%{ $MODE{$mode} // { code => '404 No such mode' } }, map { map { s/%(\w\w)/chr hex $1/er } split /=/, $_, 2 } split /&/, $changes // '');
    return \%o;
}

sub answer {
    my ($self, $der, $path) = @_;
    my $o = options_of($path);
    my $answer = defined $o->{body} ? $o->{body}
               : $o->{response}     ? tlv(0x30, tlv(0x0a, chr $o->{response}))
               : $o->{real}         ? real($self, $der)
               :                      signed($self, $o, parse_request($der));
    $answer = substr $answer, 0, -$o->{cut} if $o->{cut};
    return $answer . 'x' x ($o->{add} // 0);
}

# --- HTTP -------------------------------------------------------------------

sub new {
    my ($class, %o) = @_;
    my %base = (ca => pki_file('ca.key'), inter => pki_file('inter.key'), ca2 => pki_file('ca2.key'));
    s/\.key$// for values %base;
    %base = (%base, %{ $o{signers} || {} });
    my $self = bless { dir => tempdir(CLEANUP => 1), serials => $o{serials} || {}, owner => $$,
                       signers => { map { $_ => load_signer($base{$_}) } keys %base } }, $class;
    $self->{socket} = IO::Socket::INET->new(Listen => 50, LocalAddr => '127.0.0.1', LocalPort => $o{port} || 0,
                                            ReuseAddr => 1) or die "cannot listen: $!";
    $self->{port} = $self->{socket}->sockport;
    $self->{log} = spew("$self->{dir}/requests", '');
    $self->{pid} = fork // die "fork: $!";
    serve($self, $o{life} || 240) if !$self->{pid};
    delete $self->{socket};
    return $self;
}

sub serve {
    my ($self, $life) = @_;
    my $end = time + $life;
    setpgrp;
    my $wait = IO::Select->new($self->{socket});
    local $SIG{CHLD} = 'IGNORE';
    local $SIG{PIPE} = 'IGNORE';
    local $SIG{ALRM} = 'DEFAULT';
    while (time < $end && getppid == $self->{owner}) {
        next if !$wait->can_read(0.5);
        my $client = $self->{socket}->accept or next;
        if (!(fork // 1)) {
            $SIG{CHLD} = 'DEFAULT';
            alarm 60;
            eval { converse($self, $client); 1 } or print STDERR "# responder: $@";
            POSIX::_exit(0);
        }
        close $client;
    }
    POSIX::_exit(0);
}

sub read_http {
    my ($client) = @_;
    my $text = '';
    while ($text !~ /\r\n\r\n/) {
        return if length $text > 20_000 || !sysread $client, $text, 4096, length $text;
    }
    my ($head, $body) = split /\r\n\r\n/, $text, 2;
    my ($length) = $head =~ /^Content-Length: (\d+)/im;
    while (length $body < ($length // 0)) {
        return if !sysread $client, $body, 4096, length $body;
    }
    return ($head, $body);
}

sub note {
    my ($self, $head, $path, $request) = @_;
    my %n = (path => $path, serial => $request->{serial}, method => $head =~ /^(\S+)/,
             nonce => defined $request->{nonce} ? unpack('H*', $request->{nonce}) : undef);
    ($n{host}) = $head =~ /^Host: (\S+)/im;
    ($n{type}) = $head =~ /^Content-Type: (\S+)/im;
    open my $log, '>>', $self->{log} or return;
    syswrite $log, join("\t", map { "$_=" . $n{$_} } grep { defined $n{$_} } sort keys %n) . "\n";
    close $log;
    return;
}

sub converse {
    my ($self, $client) = @_;
    my ($head, $body) = read_http($client) or return;
    my ($path) = $head =~ /^\S+ (\S+)/;
    my $o = options_of($path);
    note($self, $head, $path, parse_request($body));
    sleep $o->{delay} if $o->{delay};
    return print {$client} $o->{raw} if defined $o->{raw};
    my $type = $o->{type} // 'application/ocsp-response';
    my $answer = $self->answer($body, $path);
    my $start = 'HTTP/1.0 ' . ($o->{code} // '200 OK') . "\r\n" . ($o->{headers} // '')
              . ($type eq '' ? '' : "Content-Type: $type\r\n");
    if ($o->{endless}) {
        syswrite $client, $start;
        1 while syswrite $client, "X-More: and more\r\n" x 100;
        return;
    }
    $start .= 'Content-Length: ' . length($answer) . "\r\n\r\n$answer";
    return print {$client} $start if !$o->{drip};
    for my $byte (split //, $start) {
        syswrite $client, $byte or return;
        sleep $o->{drip};
    }
    return;
}

sub port { return $_[0]{port} }

sub url {
    my ($self, $mode) = @_;
    return "http://127.0.0.1:$self->{port}/" . ($mode // 'good');
}

sub requests {
    my ($self) = @_;
    my @lines = split /\n/, slurp($self->{log});
    my $seen = $self->{seen} // 0;
    $self->{seen} = @lines;
    return map { { map { split /=/, $_, 2 } split /\t/ } } @lines[$seen .. $#lines];
}

sub stop {
    my ($self) = @_;
    return if !$self->{pid} || $self->{owner} != $$;
    kill 'TERM', -$self->{pid}, $self->{pid};    # its group: those that are busy with a connection, too
    waitpid $self->{pid}, 0;
    delete $self->{pid};
    return;
}

sub DESTROY {
    my ($self) = @_;
    local ($?, $!, $@);
    $self->stop;
    return;
}

1;
