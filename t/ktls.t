# SSLKTLS on: where the kernel can, it makes the records; where it can't, a warning says so at start. Either way a client
# gets the same as without.
use strict;
use warnings;
use Socket qw(AF_INET SOCK_STREAM IPPROTO_TCP);
use Errno qw(ENOTCONN);
use Test::More;
use ModSSL::Httpd qw(ours_only);
use ModSSL::Client qw(:all);
use ModSSL::Wire;
ours_only('stock has no SSLKTLS');

# setsockopt(TCP_ULP, "tls"): a kernel that can lacks nothing but a connection.
sub kernel_can {
    socket my $s, AF_INET, SOCK_STREAM, 0 or return 0;
    return setsockopt($s, IPPROTO_TCP, 31, 'tls') || $! == ENOTCONN;
}
my $can = kernel_can();
note $can ? 'this kernel has TLS' : "this kernel has no TLS: $!";

my $file = join '', map { sprintf "%07d\n", $_ } 1 .. 60000;
my $body = join '', map { sprintf "%05d\n", $_ } 1 .. 30000;

# [TLS version, cipher up to TLS 1.2, does the kernel know it]
my @VERSIONS = (
    ['1.3', undef, 1],
    ['1.2', 'ECDHE-ECDSA-AES128-GCM-SHA256', 1],
    ['1.2', 'ECDHE-ECDSA-AES256-SHA384', 0],
);
my @REQUESTS = (
    ['small file', "GET /index.html HTTP/1.1\r\n\r\n", "It works\n"],
    ['large file', "GET /file.txt HTTP/1.1\r\n\r\n", $file],
    ['range', "GET /file.txt HTTP/1.1\r\nRange: bytes=100000-299999\r\n\r\n", substr $file, 100_000, 200_000],
    ['program', "GET /cgi/pieces HTTP/1.1\r\n\r\n", $file],
    ['POST', "POST /cgi/echo HTTP/1.1\r\nContent-Length: " . length($body) . "\r\n\r\n$body", $body],
    ['end', "GET /file.txt HTTP/1.1\r\nConnection: close\r\n\r\n", $file],
);

# The body of the first response in TEXT if all of it is there, with or without chunks.
sub body_of {
    my ($text) = @_;
    my ($head, $rest) = split /\r\n\r\n/, $text, 2;
    return if !defined $rest;
    if ($head =~ /^Content-Length: (\d+)/mi) {
        return length $rest >= $1 ? substr($rest, 0, $1) : undef;
    }
    my $all = '';
    while ($rest =~ s/^([0-9a-f]+)\r\n//i) {
        return $all if hex $1 == 0;
        return if length $rest < hex $1;
        $all .= substr $rest, 0, hex $1, '';
        $rest =~ s/^\r\n//;
    }
    return;
}

sub exchange {
    my ($w, $request) = @_;
    $w->plain;
    $request =~ s{\r\n}{\r\nHost: localhost\r\n};
    while (length $request) {
        $w->put(substr $request, 0, 16000, '');
    }
    for (1 .. 2000) {
        my $got = body_of($w->{plain});
        return $got if defined $got;
        # some more of it, whatever it is
        last if $w->eof || !$w->fill(20);
        $w->drain;
    }
    return;
}

sub check {
    my ($h, $name) = @_;
    for (@VERSIONS) {
        my ($version, $ciphers, $known) = @$_;
        my $w = ModSSL::Wire->new(port => $h->port, version => $version, ciphers => $ciphers);
        my $which = join ' ', "$name, TLS $version", $ciphers || ();
        $h->log_mark;
        ok($w && $w->handshake, "$which: handshake") or next;
        for (@REQUESTS) {
            my ($request, $text, $expected) = @$_;
            my $got = exchange($w, $text);
            ok(defined $got && $got eq $expected, "$which: $request") or diag(defined $got ? length $got : 'nothing');
        }
        $w->get_all;
        ok($w->eof && !$w->reset, "$which: the end of the connection");
        ok($w->close_notify, "$which: close_notify before it");
        next if $name =~ /off/ || !$can;
        my $words = $known ? qr/the kernel makes the records/ : qr/OpenSSL makes the records/;
        ok($h->errorlog_like($words), "$which: the log says who makes the records");
    }
    return;
}

for my $setting ('on', 'off') {
    for my $sendfile ('on', 'off') {
        my $h = ModSSL::Httpd->new(loglevel => 'info ssl:debug', config => <<"END");
EnableSendfile $sendfile
SSLEngine on
SSLKTLS $setting
SSLCertificateFile    \@pki\@/ecdsa.crt
SSLCertificateKeyFile \@pki\@/ecdsa.key
END
        $h->file('htdocs/file.txt', $file);
        $h->cgi('pieces', <<'CGI');
#!/usr/bin/perl
print "Content-Type: text/plain\n\n", map { sprintf "%07d\n", $_ } 1 .. 60000;
CGI
        $h->start or BAIL_OUT($h->why);
        my @warnings = $h->errorlog =~ /\[ssl:warn\].*SSLKTLS on: (.*)/g;
        is(scalar @warnings, $setting eq 'on' && !$can ? 1 : 0, "SSLKTLS $setting: warnings at start") or diag("@warnings");
        like($warnings[0], qr/OpenSSL.*as without it/, 'which says what happens') if @warnings;
        check($h, "SSLKTLS $setting, EnableSendfile $sendfile");
        ok($h->graceful, "SSLKTLS $setting: graceful restart");
        check($h, "SSLKTLS $setting, EnableSendfile $sendfile, restarted") if $sendfile eq 'on';
        ok($h->alive, "SSLKTLS $setting: server lives");
    }
}
done_testing;
