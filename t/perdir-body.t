# A request body that a directory's handshake finds unread: it is kept up to SSLRenegBufferSize and reaches whoever reads
# it, by whatever way the request takes; past that 413. `Expect: 100-continue` keeps nothing. TLS 1.2 and 1.3.
use strict;
use warnings;
use Test::More;
use ModSSL::Httpd qw(is_stock);
use ModSSL::Client qw(:all);
use ModSSL::Perdir qw(ask watch);
use ModSSL::Wire;

my $h = ModSSL::Httpd->new(modules => [qw(rewrite dir)], config => <<'END');
SSLEngine on
SSLCertificateFile    @pki@/rsa.crt
SSLCertificateKeyFile @pki@/rsa.key
SSLCACertificateFile  @pki@/ca.crt
SSLOptions +StdEnvVars
AddHandler cgi-script .cgi
<Directory @htdocs@>
    Options +ExecCGI
    AllowOverride AuthConfig
    DirectoryIndex index.cgi index.html
</Directory>
<LocationMatch ^/(cgi/echo/opt|indexed|rewritten)>
    SSLVerifyClient optional
</LocationMatch>
<Location /rewritten>
    RewriteEngine on
    RewriteRule . /cgi/echo/x [L]
</Location>
<Location /to-opt>
    RewriteEngine on
    RewriteRule . /cgi/echo/opt [L]
</Location>
<Location /cgi/echo/small>
    SSLVerifyClient optional
    SSLRenegBufferSize 10000
</Location>
<Location /cgi/echo/zero>
    SSLVerifyClient optional
    SSLRenegBufferSize 0
</Location>
<Location /cgi/echo/limited>
    SSLVerifyClient optional
    LimitRequestBody 5000
</Location>
<Location /opt.html>
    SSLVerifyClient optional
</Location>
END
chmod 0755, $h->file('htdocs/indexed/index.cgi', "#!/bin/sh\nprintf 'Content-Type: text/plain\\n\\n'\ncat\n");
$h->file("htdocs/$_/x", "x\n") for qw(rewritten to-opt);
$h->file('htdocs/ht/.htaccess', "SSLVerifyClient optional\nSSLRenegBufferSize 20\n");
chmod 0755, $h->file('htdocs/ht/echo.cgi', "#!/bin/sh\nprintf 'Content-Type: text/plain\\n\\n'\ncat\n");
$h->file('htdocs/opt.html', "not read\n");
$h->start or BAIL_OUT($h->why);

my %VERSIONS = ('1.2' => [version => '1.2'], '1.3' => [version => '1.3', pha => 1]);
sub text { my ($size) = @_; return substr join('', map { sprintf "%07d\n", $_ } 1 .. $size / 8 + 1), 0, $size }

# [path, size of the body, its status]: chunked too where it is 200
my @CASES = (
    ['/cgi/echo/none', 300_000, 200],
    ['/cgi/echo/opt', 1, 200],
    ['/cgi/echo/opt', 100_000, 200],
    ['/cgi/echo/opt', 131_072, 200],
    ['/cgi/echo/opt', 131_073, 413],
    ['/cgi/echo/opt', 1_000_000, 413],
    ['/cgi/echo/small', 10_000, 200],
    ['/cgi/echo/small', 10_001, 413],
    ['/cgi/echo/zero', 0, 200],
    ['/cgi/echo/zero', 1, 413],
    ['/cgi/echo/limited', 5_000, 200],
    ['/cgi/echo/limited', 5_001, 413],
    ['/ht/echo.cgi', 20, 200],
    ['/ht/echo.cgi', 21, 413],
    ['/indexed/', 50_000, 200],
    ['/rewritten/x', 50_000, 200],
    ['/to-opt/x', 50_000, 200],
);
for my $version (sort keys %VERSIONS) {
    for my $case (@CASES) {
        my ($path, $size, $status) = @$case;
        my $body = text($size);
        for my $kind ('length', 'chunked') {
            my $name = "TLS $version: $path, $size bytes, $kind";
            my $s = tls_connect(port => $h->port, client => 'client', @{ $VERSIONS{$version} }) or BAIL_OUT($tls_error);
            my $r = http_request($s, path => $path, host => 'localhost', $kind eq 'length' ? (body => $body)
                : (chunks => [$body =~ /(.{1,3000})/gs]));
            if (is_stock() && $path =~ /zero/ && $kind eq 'chunked') {
                is($r && $r->{status}, 413, "$name: stock");
                next;
            }
            is($r && $r->{status}, $status, $name);
            next if $status != 200;
            ok($r && $r->{body} eq $body, "$name: it arrives");
            $r = http_get($s, '/cgi/env', 'localhost');
            is($r && $r->{status}, 200, "$name: the connection goes on");
        }
    }
    my $one = tls_connect(port => $h->port, client => 'client', @{ $VERSIONS{$version} }) or BAIL_OUT($tls_error);
    my $r = http_request($one, path => '/opt.html', host => 'localhost', body => text(5000), method => 'GET');
    is($r && $r->{body}, "not read\n", "TLS $version: a body that nobody reads");
    $r = http_request($one, path => '/cgi/echo/opt', host => 'localhost', body => text(5000));
    is($r && $r->{body}, text(5000), "TLS $version: and the next request on this connection");

    # The client waits for "100 Continue": the handshake comes first, and no limit applies.
    my $s = tls_connect(port => $h->port, client => 'client', @{ $VERSIONS{$version} }) or BAIL_OUT($tls_error);
    my $seen = watch($s);
    syswrite $s, "POST /cgi/echo/small HTTP/1.1\r\nHost: localhost\r\nContent-Length: 200000\r\nExpect: 100-continue\r\n\r\n";
    my $got = '';
    while ($got !~ /\r\n\r\n/) {
        last if !sysread $s, $got, 1000, length $got;
    }
    like($got, qr{^HTTP/1\.1 100 }, "TLS $version: 100 Continue");
    is($seen->{13}, 1, "TLS $version: the certificate was asked for before");
    my $sent = 0;
    my $body = text(200_000);
    $sent += syswrite($s, $body, 10_000, $sent) || last while $sent < length $body;
    $r = read_response($s);
    ok($r && $r->{body} eq $body, "TLS $version: the body after it");
    Net::SSLeay::set_msg_callback($s->_get_ssl_object, undef);

    # Several requests with bodies, all sent at once
    SKIP: {
        skip 'the stock module ends the connection', 3 if is_stock() && $version eq '1.2';
        my $p = tls_connect(port => $h->port, client => 'client', @{ $VERSIONS{$version} }) or BAIL_OUT($tls_error);
        send_request($p, path => '/cgi/echo/opt', host => 'localhost', body => text(3000 + $_)) for 1 .. 3;
        for (1 .. 3) {
            my $answer = read_response($p);
            ok($answer && $answer->{body} eq text(3000 + $_), "TLS $version: pipelined request $_");
        }
    }
}

# A body of one byte a record: it is not kept with a block of memory for each.
my $before = $h->rss;
my $w = ModSSL::Wire->new(port => $h->port, version => '1.2') or BAIL_OUT('no connection');
$w->handshake or BAIL_OUT($w->error);
$w->put("POST /cgi/echo/opt HTTP/1.1\r\nHost: localhost\r\nContent-Length: 20000\r\nConnection: close\r\n\r\n");
$w->put_raw(join '', map { $w->seal('x') } 1 .. 19_999);
cmp_ok($h->rss - $before, '<', 60_000, 'kilobytes for 20000 records of one byte');
$w->put('y');
my $answer = $w->get_all;
is(($answer =~ s/^HTTP.*?\r\n\r\n//sr) =~ tr/x//, 19_999, 'and they arrive');

ok($h->alive, 'the server is up');
unlike($h->errorlog, qr/exit signal|Segmentation/, 'no crash');
done_testing;
