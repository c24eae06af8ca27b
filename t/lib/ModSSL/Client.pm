package ModSSL::Client;

=head1 NAME

ModSSL::Client - clients for the tests; every wait is bounded

=head1 FUNCTIONS

All are exported on request (C<:all>).

=head2 s_client(port => N, args => [...], input => ..., timeout => 20)

Runs C<openssl s_client -connect 127.0.0.1:N ARGS>. C<input> is a string, or a list of strings to send and
qr// to wait for in the output before going on. With input, C<-ign_eof> is added (ask for
"Connection: close", or the run lasts until the time-out); C<< ign_eof => 0 >> leaves it out, so that the
commands R, k, K, Q on a line of their own work. Returns the output (stdout and stderr together); in list
context also the exit status (124: time-out).

=head2 curl(@args)

Runs curl against 127.0.0.1 with the test root CA trusted. Returns (status, \%headers, body) of the last
response; header names in lower case, values of repeated headers joined with ", ". Status is 0 when there
was no response. C<$curl_exit>, C<$curl_error> and C<%curl_info> (of C<-w '%{json}'>: http_version,
num_connects, ssl_verify_result ...) describe the last run.

=head2 resolve("a.test", $port)

The two arguments that make curl find this name at 127.0.0.1.

=head2 tls_connect(port => N, %options)

A connected IO::Socket::SSL, or undef with the reason in C<$tls_error>. Options: C<sni> (default: none sent),
C<version> ('1', '1.1', '1.2', '1.3'), C<ciphers> (TLS 1.2 and before), C<ciphersuites> (TLS 1.3),
C<groups>, C<alpn> ([..]), C<cert>/C<key> (files; or C<client> => 'client', a name in the PKI), C<ca> (file:
verify the server against it, name checks included when C<name> is given), C<timeout>, C<pha> (1 or 0: offer
post-handshake authentication or do not; with a certificate it is offered by default), C<session> (from C<session($sock)>: offers to resume it), C<< ticket => 0 >>
(offer no session ticket), C<< ssl => { SSL_... => ... } >> for anything else. Old versions get SECLEVEL=0
unless C<ciphers> is given.

=head2 session($sock)

The session of a connection as DER bytes, for any number of later tls_connect. Under TLS 1.3 it comes after the handshake: ask once a
response has been read.

=head2 raw_connect($port)

A plain IO::Socket::INET (to C<address>, default 127.0.0.1, as for tls_connect).  C<start_tls($sock, %options)> makes it a TLS one.

=head2 http_get($sock, $path, $host, %options)  http_request($sock, %options)  read_response($sock, head => 1)

One request on an open connection: options C<method>, C<path>, C<host>, C<headers> ({...} or [..]), C<body>,
C<chunks> ([..], sent chunked), C<close>, C<version>. The response is a hash
{status, reason, version, headers, body, raw_head, complete}; undef when the connection gave none.
C<send_request> only sends, so that requests can be pipelined.

=head2 peer_cn($sock)  cipher($sock)  version($sock)  alpn($sock)  resumed($sock)

What was negotiated. C<presented($port, sni => ..., ...)> connects and returns the CN of the certificate
presented, undef when the handshake failed.

=head2 h2_get(port => N, host => ..., path => ...)

curl --http2; same result as curl.

=cut

use strict;
use warnings;
use Exporter 'import';
use Errno ();
use File::Temp ();
use IO::Select;
use IO::Socket::INET;
use IO::Socket::SSL ();
use JSON::PP ();
use POSIX qw(:sys_wait_h);
use Socket qw(SOL_SOCKET SO_RCVTIMEO SO_SNDTIMEO);
use Time::HiRes qw(time sleep);
use ModSSL::PKI qw(pki_file slurp);

our @EXPORT_OK = qw(s_client curl resolve h2_get tls_connect raw_connect start_tls session http_get http_request
    send_request read_response peer_cn cipher version alpn resumed presented
    $tls_error $curl_exit $curl_error %curl_info);
our %EXPORT_TAGS = (all => \@EXPORT_OK);

our ($tls_error, $curl_exit, $curl_error, %curl_info);

# A slow machine must not turn a right answer into a time-out.
my $SLOW = $ENV{MODSSL_VALGRIND} ? 10 : 4;

# A server that hangs up makes writing fail, as it should; it must not end the test.
$SIG{PIPE} = 'IGNORE';

# --- programs -------------------------------------------------------------------------------------

# Waits until the program has read what was written before: s_client sees its commands (R, K ...) only at the start of
# what one read gives it.
sub until_taken {
    my ($pipe) = @_;
    for (1 .. 2000) {
        my $count = pack 'i', 0;
        ioctl $pipe, 0x541B, $count or return;    # FIONREAD
        return if !unpack 'i', $count;
        sleep 0.01;
    }
    return;
}

# Runs a program, feeding it the script of strings and patterns. Returns its output and status.
sub converse {
    my ($cmd, $script, $limit) = @_;
    pipe my $from_us, my $to_it or die "pipe: $!\n";
    pipe my $from_it, my $to_us or die "pipe: $!\n";
    my $pid = fork;
    defined $pid or die "fork: $!\n";
    if (!$pid) {
        open STDIN,  '<&', $from_us;
        open STDOUT, '>&', $to_us;
        open STDERR, '>&', $to_us;
        close $_ for $from_us, $to_it, $from_it, $to_us;
        $SIG{PIPE} = 'DEFAULT';
        { exec @$cmd }
        POSIX::_exit(127);
    }
    close $from_us;
    close $to_us;

    my ($out, $seen, $end) = ('', 0, time + $limit * $SLOW);
    my @script = @$script;
    my $select = IO::Select->new($from_it);
    my $timed_out = 1;
    while (time < $end) {
        while (@script) {
            if (ref $script[0]) {
                pos($out) = $seen;
                last if $out !~ /$script[0]/g;
                $seen = pos $out;
            }
            else {
                until_taken($to_it);
                syswrite $to_it, $script[0];
            }
            shift @script;
        }
        if (!@script && $to_it) {
            close $to_it;
            undef $to_it;
        }
        next if !$select->can_read(0.25);
        my $got = sysread $from_it, $out, 65536, length $out;
        if (!$got) {
            $timed_out = 0;
            last;
        }
    }
    close $to_it if $to_it;
    kill 'KILL', $pid if $timed_out;
    waitpid $pid, 0;
    return ($out, $timed_out ? 124 : $? & 127 ? 128 + ($? & 127) : $? >> 8);
}

sub s_client {
    my (%o) = @_;
    my $input = $o{input};
    my @script = !defined $input ? () : ref $input eq 'ARRAY' ? @$input : ($input);
    my $ign_eof = defined $o{ign_eof} ? $o{ign_eof} : @script > 0;
    my @cmd = ('openssl', 's_client', '-connect', "127.0.0.1:$o{port}", $ign_eof ? '-ign_eof' : (), @{ $o{args} || [] });
    my ($out, $status) = converse(\@cmd, \@script, $o{timeout} || 20);
    return wantarray ? ($out, $status) : $out;
}

sub resolve {
    my ($host, $port) = @_;
    return ('--resolve', "$host:$port:127.0.0.1");
}

sub curl {
    my @args = @_;
    my $dir = File::Temp->newdir;
    my @cmd = ('curl', '-q', '-sS', '--noproxy', '*', '--max-time', 30 * $SLOW, '--cacert', pki_file('bundle.crt'),
               '-D', "$dir/head", '-o', "$dir/body", '-w', '%{json}', @args);
    # -w writes to stdout; messages go apart so that they cannot spoil the JSON
    my $pid = open my $fh, '-|';
    defined $pid or die "fork: $!\n";
    if (!$pid) {
        open STDIN, '<', '/dev/null';
        open STDERR, '>', "$dir/err";
        { exec @cmd }
        POSIX::_exit(127);
    }
    my $json = do { local $/; <$fh> };
    close $fh;
    $curl_exit = $? >> 8;
    $curl_error = -e "$dir/err" ? slurp("$dir/err") : '';
    my $info = eval { JSON::PP->new->utf8->decode($json) } || {};
    %curl_info = %$info;

    my $head = -e "$dir/head" ? slurp("$dir/head") : '';
    # the last block: interim and redirect responses come before it
    my @blocks = grep { m{^HTTP/} } split /\r\n\r\n/, $head;
    my ($status, $headers) = (0, {});
    if (@blocks) {
        my $parsed = parse_head($blocks[-1]);
        ($status, $headers) = @{$parsed}{qw(status headers)};
    }
    return ($status, $headers, -e "$dir/body" ? slurp("$dir/body") : '');
}

sub h2_get {
    my (%o) = @_;
    my $host = $o{host} || 'localhost';
    return curl('--http2', resolve($host, $o{port}), @{ $o{args} || [] }, "https://$host:$o{port}" . ($o{path} || '/'));
}

# --- connections ----------------------------------------------------------------------------------

sub set_timeouts {
    my ($sock, $seconds) = @_;
    my $value = pack 'l!l!', $seconds * $SLOW, 0;
    setsockopt $sock, SOL_SOCKET, $_, $value for SO_RCVTIMEO, SO_SNDTIMEO;
    return $sock;
}

sub raw_connect {
    my ($port, %o) = @_;
    my $sock = IO::Socket::INET->new(PeerAddr => $o{address} || '127.0.0.1', PeerPort => $port, Timeout => 10 * $SLOW) or return undef;
    return set_timeouts($sock, $o{timeout} || 20);
}

# As bytes: OpenSSL marks the session of a connection as used up under TLS 1.3, and a copy is free of that.
sub session { my ($sock) = @_; return Net::SSLeay::i2d_SSL_SESSION(Net::SSLeay::get_session($sock->_get_ssl_object)) }

my %VERSION = ('1' => 'TLSv1', '1.0' => 'TLSv1', '1.1' => 'TLSv1_1', '1.2' => 'TLSv1_2', '1.3' => 'TLSv1_3');

sub tls_options {
    my (%o) = @_;
    # Nothing is verified with this file; without one, each connection would load the CAs of the system (25 ms).
    my %ssl = (SSL_verify_mode => IO::Socket::SSL::SSL_VERIFY_NONE(), SSL_ca_file => pki_file('bundle.crt'), SSL_hostname => '');
    $ssl{SSL_hostname} = $o{sni} if defined $o{sni};
    if (defined $o{version}) {
        $ssl{SSL_version} = $VERSION{ $o{version} } or die "unknown version $o{version}\n";
        $ssl{SSL_cipher_list} = 'ALL:@SECLEVEL=0' if $o{version} < 1.2;
    }
    $ssl{SSL_cipher_list}   = $o{ciphers}      if defined $o{ciphers};
    $ssl{SSL_ciphersuites}  = $o{ciphersuites} if defined $o{ciphersuites};
    $ssl{SSL_ecdh_curve}    = $o{groups}       if defined $o{groups};
    $ssl{SSL_alpn_protocols} = $o{alpn}        if $o{alpn};
    if ($o{client}) {
        $o{cert} = pki_file("$o{client}.crt");
        $o{key}  = pki_file("$o{client}.key");
    }
    if ($o{cert}) {
        $ssl{SSL_use_cert}  = 1;
        $ssl{SSL_cert_file} = $o{cert};
        $ssl{SSL_key_file}  = $o{key} || $o{cert};
    }
    if ($o{ca}) {
        $ssl{SSL_verify_mode} = IO::Socket::SSL::SSL_VERIFY_PEER();
        $ssl{SSL_ca_file} = $o{ca};
        $ssl{SSL_verifycn_scheme} = $o{name} ? 'http' : 'none';
        $ssl{SSL_verifycn_name} = $o{name} if $o{name};
    }
    $ssl{SSL_session_cache} = ModSSL::Client::OneSession->new($o{session}) if $o{session};
    $ssl{SSL_create_ctx_callback} = sub {
        my ($ctx) = @_;
        Net::SSLeay::CTX_set_post_handshake_auth($ctx, $o{pha}) if defined $o{pha};
        my $no_ticket = defined $o{ticket} && !$o{ticket};
        Net::SSLeay::CTX_set_options($ctx, Net::SSLeay::OP_NO_TICKET()) if $no_ticket;
    };
    return (%ssl, %{ $o{ssl} || {} });
}

sub start_tls {
    my ($sock, %o) = @_;
    $tls_error = '';
    my $tls = IO::Socket::SSL->start_SSL($sock, tls_options(%o));
    if (!$tls) {
        $tls_error = $IO::Socket::SSL::SSL_ERROR || "$!";
        return undef;
    }
    return $tls;
}

sub tls_connect {
    my (%o) = @_;
    my $sock = raw_connect($o{port}, timeout => $o{timeout}, address => $o{address});
    if (!$sock) {
        $tls_error = "connect: $!";
        return undef;
    }
    return start_tls($sock, %o);
}

sub peer_cn { my ($sock) = @_; return scalar $sock->peer_certificate('cn') }
sub cipher  { my ($sock) = @_; return $sock->get_cipher }
sub version { my ($sock) = @_; return $sock->get_sslversion }
sub alpn    { my ($sock) = @_; return $sock->alpn_selected }
sub resumed { my ($sock) = @_; return $sock->get_session_reused ? 1 : 0 }

sub presented {
    my ($port, %o) = @_;
    my $sock = tls_connect(port => $port, %o) or return undef;
    my $cn = peer_cn($sock);
    $sock->close;
    return $cn;
}

# IO::Socket::SSL asks its cache for a session just before it connects. This one knows what to answer, so
# that a test decides which session is offered, and to whom.
package ModSSL::Client::OneSession {
    sub new         { my ($class, $session) = @_; return bless { session => $session }, $class }
    sub get_session { my ($self) = @_; return Net::SSLeay::d2i_SSL_SESSION($self->{session}) }
    sub add_session { return 0 }    # OpenSSL is told that nobody keeps it
    sub del_session { return 0 }
}

# --- HTTP -----------------------------------------------------------------------------------------

sub send_request {
    my ($sock, %o) = @_;
    my $method = $o{method} || (defined $o{body} || $o{chunks} ? 'POST' : 'GET');
    my $text = "$method $o{path} HTTP/" . ($o{version} || '1.1') . "\r\n";
    $text .= "Host: $o{host}\r\n" if defined $o{host};
    my @headers = ref $o{headers} eq 'HASH' ? %{ $o{headers} } : @{ $o{headers} || [] };
    while (my ($name, $value) = splice @headers, 0, 2) {
        $text .= "$name: $value\r\n";
    }
    $text .= "Connection: close\r\n" if $o{close};
    if ($o{chunks}) {
        $text .= "Transfer-Encoding: chunked\r\n\r\n";
        $text .= sprintf "%x\r\n%s\r\n", length $_, $_ for @{ $o{chunks} };
        $text .= "0\r\n\r\n";
    }
    elsif (defined $o{body}) {
        $text .= 'Content-Length: ' . length($o{body}) . "\r\n\r\n$o{body}";
    }
    else {
        $text .= "\r\n";
    }
    return write_all($sock, $text);
}

sub write_all {
    my ($sock, $text) = @_;
    my $offset = 0;
    while ($offset < length $text) {
        my $sent = syswrite $sock, $text, length($text) - $offset, $offset;
        return 0 if !$sent;
        $offset += $sent;
    }
    return 1;
}

# What was read beyond one response belongs to the next, so it stays with the socket.
sub buffer { my ($sock) = @_; return \${*$sock}{modssl_buffer} }

sub fill {
    my ($sock) = @_;
    my $buffer = buffer($sock);
    $$buffer = '' if !defined $$buffer;
    my $got = sysread $sock, my $more, 65536;
    return 0 if !$got;
    $$buffer .= $more;
    return 1;
}

sub parse_head {
    my ($head) = @_;
    my ($first, @lines) = split /\r?\n/, $head;
    my ($version, $status, $reason) = $first =~ m{^HTTP/(\S+) (\d+) ?(.*)} or return;
    my %headers;
    for (@lines) {
        my ($name, $value) = /^([^:]+):\s*(.*?)\s*$/ or next;
        $name = lc $name;
        $headers{$name} = exists $headers{$name} ? "$headers{$name}, $value" : $value;
    }
    return { version => $version, status => $status, reason => $reason, headers => \%headers, raw_head => $head };
}

sub take_line {
    my ($sock) = @_;
    my $buffer = buffer($sock);
    until (defined $$buffer && $$buffer =~ /\n/) {
        return if !fill($sock);
    }
    $$buffer =~ s/^(.*?)\r?\n//s;
    return $1;
}

sub take_bytes {
    my ($sock, $count) = @_;
    my $buffer = buffer($sock);
    while (length($$buffer) < $count) {
        last if !fill($sock);
    }
    return substr $$buffer, 0, $count, '';
}

sub read_response {
    my ($sock, %o) = @_;
    my $head = '';
    while (1) {
        my $line = take_line($sock);
        return undef if !defined $line;
        last if $line eq '' && $head ne '';
        $head .= "$line\n";
    }
    my $r = parse_head($head) or return undef;
    return read_response($sock, %o) if $r->{status} =~ /^1/ && $r->{status} != 101;

    @{$r}{qw(body complete)} = ('', 1);
    return $r if $o{head} || $o{tunnel} && $r->{status} =~ /^2/ || $r->{status} =~ /^(?:101|204|304)$/;
    my $h = $r->{headers};
    if (($h->{'transfer-encoding'} || '') =~ /chunked/i) {
        while (1) {
            my $line = take_line($sock);
            my ($size) = defined $line ? $line =~ /^([0-9a-f]+)/i : ();
            if (!defined $size) {
                $r->{complete} = 0;
                last;
            }
            my $chunk = take_bytes($sock, hex $size);
            $r->{body} .= $chunk;
            if (length $chunk < hex $size) {
                $r->{complete} = 0;
                last;
            }
            if (hex $size == 0) {
                my $trailer = take_line($sock);
                $trailer = take_line($sock) while defined $trailer && $trailer ne '';
                last;
            }
            take_line($sock);
        }
    }
    elsif (defined $h->{'content-length'}) {
        $r->{body} = take_bytes($sock, $h->{'content-length'});
        $r->{complete} = length $r->{body} == $h->{'content-length'} ? 1 : 0;
    }
    else {
        1 while fill($sock);
        $r->{body} = ${ buffer($sock) };
        ${ buffer($sock) } = '';
    }
    return $r;
}

sub http_request {
    my ($sock, %o) = @_;
    send_request($sock, %o) or return undef;
    my $method = $o{method} || '';
    return read_response($sock, head => $method eq 'HEAD', tunnel => $method eq 'CONNECT');
}

sub http_get {
    my ($sock, $path, $host, %o) = @_;
    return http_request($sock, path => $path, host => defined $host ? $host : 'localhost', %o);
}

1;
