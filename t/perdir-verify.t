# Client certificates that directories ask for: which level asks whom, when not again, what depth and what a second
# directory mean, in renegotiation (TLS 1.2) and post-handshake authentication (TLS 1.3); .htaccess, subrequests,
# redirects, resumed sessions, pipelined requests, and the log.
use strict;
use warnings;
use Test::More;
use ModSSL::Httpd qw(is_stock);
use ModSSL::Client qw(:all);
use ModSSL::Perdir qw(ask watch describe);
use ModSSL::PKI qw(pki_file);

# name => what the virtual hosts, and the locations in each of them, are configured with
my %HOSTS = (
    none  => '',
    opt   => 'SSLVerifyClient optional',
    req   => 'SSLVerifyClient require',
    noca  => 'SSLVerifyClient optional_no_ca',
    d2opt => "SSLVerifyClient optional\nSSLVerifyDepth 3",
);
my %LOCATIONS = (
    none   => 'SSLVerifyClient none',
    opt    => 'SSLVerifyClient optional',
    req    => 'SSLVerifyClient require',
    noca   => 'SSLVerifyClient optional_no_ca',
    d0     => "SSLVerifyClient require\nSSLVerifyDepth 0",
    d2     => "SSLVerifyClient require\nSSLVerifyDepth 2",
    depth0 => 'SSLVerifyDepth 0',
    oreq   => "SSLVerifyClient require\nSSLOptions +OptRenegotiate",
    oopt   => "SSLVerifyClient optional\nSSLOptions +OptRenegotiate",
    sat    => "SSLVerifyClient require\nSatisfy any\nRequire all granted",
);
my $locations = join '', map { "<Location /cgi/env/$_>\n$LOCATIONS{$_}\n</Location>\n" } sort keys %LOCATIONS;
my $hosts = join '', map { <<"END" } sort keys %HOSTS;
<VirtualHost 127.0.0.1:\@port:$_\@>
    ServerName rsa.test
    SSLEngine on
    SSLCertificateFile    \@pki\@/rsa.crt
    SSLCertificateKeyFile \@pki\@/rsa.key
    SSLCACertificateFile  \@pki\@/ca-inter.crt
    SSLOptions +StdEnvVars
    $HOSTS{$_}
    $locations
</VirtualHost>
END
my $h = ModSSL::Httpd->new(modules => [qw(include rewrite autoindex)], listen => [sort keys %HOSTS], config => <<"END");
AddOutputFilter INCLUDES .shtml
AddHandler cgi-script .cgi
ErrorDocument 403 /refused.html
SSLSessionCache shmcb:\@root\@/run/sessions(65536)
<Directory \@htdocs\@>
    Options +Includes +ExecCGI +Indexes
    AllowOverride AuthConfig
</Directory>
$hosts
<Location /secret>
    SSLVerifyClient require
</Location>
<Location /opt>
    SSLVerifyClient optional
</Location>
<Location /rewritten>
    RewriteEngine on
    RewriteRule . /secret/index.html [L]
</Location>
END
$h->file('htdocs/refused.html', "the error document\n");
$h->file('htdocs/secret/index.html', "the secret\n");
$h->file('htdocs/opt/index.html', "optional\n");
$h->file('htdocs/page.shtml', "before <!--#include virtual=\"/secret/index.html\" --> after\n");
$h->file('htdocs/rewritten/x', "not this\n");
$h->file('htdocs/ht/.htaccess', "SSLVerifyClient require\n");
$h->file('htdocs/ht/index.html', "the secret of .htaccess\n");
$h->start or BAIL_OUT($h->why);

my %VERSIONS = ('1.2' => [version => '1.2'], '1.3 pha' => [version => '1.3', pha => 1], '1.3' => [version => '1.3', pha => 0]);

# [virtual host, TLS, client, paths on one connection, what comes of it, and with the stock module if that differs]
my @CASES = (
    ['none', '1.2', 'nobody', 'none', '200 NONE'],
    ['none', '1.2', 'nobody', 'opt', '200 NONE, asked 1'],
    ['none', '1.2', 'nobody', 'req', 'ended, asked 1'],
    ['none', '1.2', 'nobody', 'noca', '200 NONE, asked 1'],
    ['none', '1.2', 'nobody', 'd0', 'ended, asked 1'],
    ['none', '1.2', 'nobody', 'd2', 'ended, asked 1'],
    ['none', '1.2', 'client', 'none', '200 NONE'],
    ['none', '1.2', 'client', 'opt', '200 SUCCESS, asked 1'],
    ['none', '1.2', 'client', 'req', '200 SUCCESS, asked 1'],
    ['none', '1.2', 'client', 'noca', '200 SUCCESS, asked 1'],
    ['none', '1.2', 'client', 'd0', 'ended, asked 1'],
    ['none', '1.2', 'client', 'd2', '200 SUCCESS, asked 1'],
    ['none', '1.2', 'client2', 'none', '200 NONE'],
    ['none', '1.2', 'client2', 'opt', 'ended, asked 1'],
    ['none', '1.2', 'client2', 'req', 'ended, asked 1'],
    ['none', '1.2', 'client2', 'noca', '200 GENEROUS, asked 1', '200 FAILED, asked 1'],
    ['none', '1.2', 'client2', 'd0', 'ended, asked 1'],
    ['none', '1.2', 'client2', 'd2', 'ended, asked 1'],
    ['none', '1.2', 'client-self', 'none', '200 NONE'],
    ['none', '1.2', 'client-self', 'opt', 'ended, asked 1'],
    ['none', '1.2', 'client-self', 'req', 'ended, asked 1'],
    ['none', '1.2', 'client-self', 'noca', '200 GENEROUS, asked 1', '200 FAILED, asked 1'],
    ['none', '1.2', 'client-self', 'd0', 'ended, asked 1'],
    ['none', '1.2', 'client-self', 'd2', 'ended, asked 1'],
    ['none', '1.2', 'client-expired', 'none', '200 NONE'],
    ['none', '1.2', 'client-expired', 'opt', 'ended, asked 1'],
    ['none', '1.2', 'client-expired', 'req', 'ended, asked 1'],
    ['none', '1.2', 'client-expired', 'noca', 'ended, asked 1'],
    ['none', '1.2', 'client-expired', 'd0', 'ended, asked 1'],
    ['none', '1.2', 'client-expired', 'd2', 'ended, asked 1'],
    ['none', '1.2', 'client-inter', 'none', '200 NONE'],
    ['none', '1.2', 'client-inter', 'opt', 'ended, asked 1'],
    ['none', '1.2', 'client-inter', 'req', 'ended, asked 1'],
    ['none', '1.2', 'client-inter', 'noca', 'ended, asked 1'],
    ['none', '1.2', 'client-inter', 'd0', 'ended, asked 1'],
    ['none', '1.2', 'client-inter', 'd2', '200 SUCCESS, asked 1'],
    ['none', '1.2', 'client', 'req req', '200 SUCCESS, asked 1 | 200 SUCCESS', '200 SUCCESS, asked 1 | 200 SUCCESS, asked 1'],
    ['none', '1.2', 'client', 'opt req', '200 SUCCESS, asked 1 | 200 SUCCESS', '200 SUCCESS, asked 1 | 200 SUCCESS, asked 1'],
    ['none', '1.2', 'client', 'noca req', '200 SUCCESS, asked 1 | 200 SUCCESS', '200 SUCCESS, asked 1 | 200 SUCCESS, asked 1'],
    ['none', '1.2', 'client', 'req none req', '200 SUCCESS, asked 1 | 200 SUCCESS | 200 SUCCESS', '200 SUCCESS, asked 1 | 200 SUCCESS | 200 SUCCESS, asked 1'],
    ['none', '1.2', 'client', 'none req', '200 NONE | 200 SUCCESS, asked 1'],
    ['none', '1.2', 'client', 'oreq oreq', '200 SUCCESS, asked 1 | 200 SUCCESS'],
    ['none', '1.2', 'client', 'oopt oreq', '200 SUCCESS, asked 1 | 200 SUCCESS'],
    ['none', '1.2', 'client', 'sat', '200 SUCCESS, asked 1'],
    ['none', '1.2', 'client', 'depth0', '200 NONE'],
    ['none', '1.2', 'client', 'd2 depth0', '200 SUCCESS, asked 1 | 200 SUCCESS'],
    ['none', '1.2', 'nobody', 'opt opt opt', '200 NONE, asked 1 | 200 NONE | 200 NONE'],
    ['none', '1.2', 'nobody', 'opt req', '200 NONE, asked 1 | ended, asked 1'],
    ['none', '1.2', 'nobody', 'sat', 'ended, asked 1'],
    ['none', '1.2', 'nobody', 'oreq', 'ended, asked 1'],
    ['none', '1.2', 'client-inter', 'd2 req', '200 SUCCESS, asked 1 | ended, asked 1'],
    ['none', '1.2', 'client-inter', 'req d2', 'ended, asked 1'],
    ['none', '1.2', 'client-self', 'noca req', '200 GENEROUS, asked 1 | ended, asked 1', '200 FAILED, asked 1 | ended, asked 1'],
    ['opt', '1.2', 'client', 'none', '200 SUCCESS'],
    ['opt', '1.2', 'client', 'req', '200 SUCCESS', '200 SUCCESS, asked 1'],
    ['opt', '1.2', 'client', 'd0', 'ended, asked 1'],
    ['opt', '1.2', 'client', 'depth0', 'ended, asked 1', '200 SUCCESS'],
    ['opt', '1.2', 'client', 'noca', '200 SUCCESS'],
    ['opt', '1.2', 'nobody', 'opt', '200 NONE'],
    ['opt', '1.2', 'nobody', 'req', 'ended, asked 1'],
    ['opt', '1.2', 'nobody', 'depth0', '200 NONE'],
    ['req', '1.2', 'client', 'none', '200 SUCCESS'],
    ['req', '1.2', 'client', 'req', '200 SUCCESS'],
    ['req', '1.2', 'client', 'd0', 'ended, asked 1', '200 SUCCESS'],
    ['req', '1.2', 'client', 'd2', '200 SUCCESS'],
    ['req', '1.2', 'client', 'depth0', 'ended, asked 1', '200 SUCCESS'],
    ['noca', '1.2', 'client-self', 'none', '200 GENEROUS'],
    ['noca', '1.2', 'client-self', 'opt', '200 GENEROUS'],
    ['noca', '1.2', 'client-self', 'req', 'ended, asked 1'],
    ['d2opt', '1.2', 'client-inter', 'none', '200 SUCCESS'],
    ['d2opt', '1.2', 'client-inter', 'req', '200 SUCCESS', '200 SUCCESS, asked 1'],
    ['d2opt', '1.2', 'client-inter', 'd2', '200 SUCCESS', '200 SUCCESS, asked 1'],
    ['d2opt', '1.2', 'client-inter', 'd0', 'ended, asked 1'],
    ['none', '1.3 pha', 'nobody', 'none', '200 NONE'],
    ['none', '1.3 pha', 'nobody', 'opt', '200 NONE, asked 1'],
    ['none', '1.3 pha', 'nobody', 'req', 'ended, asked 1'],
    ['none', '1.3 pha', 'nobody', 'noca', '200 NONE, asked 1'],
    ['none', '1.3 pha', 'nobody', 'd0', 'ended, asked 1'],
    ['none', '1.3 pha', 'nobody', 'd2', 'ended, asked 1'],
    ['none', '1.3 pha', 'client', 'none', '200 NONE'],
    ['none', '1.3 pha', 'client', 'opt', '200 SUCCESS, asked 1'],
    ['none', '1.3 pha', 'client', 'req', '200 SUCCESS, asked 1'],
    ['none', '1.3 pha', 'client', 'noca', '200 SUCCESS, asked 1'],
    ['none', '1.3 pha', 'client', 'd0', 'ended, asked 1'],
    ['none', '1.3 pha', 'client', 'd2', '200 SUCCESS, asked 1'],
    ['none', '1.3 pha', 'client2', 'none', '200 NONE'],
    ['none', '1.3 pha', 'client2', 'opt', 'ended, asked 1'],
    ['none', '1.3 pha', 'client2', 'req', 'ended, asked 1'],
    ['none', '1.3 pha', 'client2', 'noca', '200 FAILED, asked 1'],
    ['none', '1.3 pha', 'client2', 'd0', 'ended, asked 1'],
    ['none', '1.3 pha', 'client2', 'd2', 'ended, asked 1'],
    ['none', '1.3 pha', 'client-self', 'none', '200 NONE'],
    ['none', '1.3 pha', 'client-self', 'opt', 'ended, asked 1'],
    ['none', '1.3 pha', 'client-self', 'req', 'ended, asked 1'],
    ['none', '1.3 pha', 'client-self', 'noca', '200 FAILED, asked 1'],
    ['none', '1.3 pha', 'client-self', 'd0', 'ended, asked 1'],
    ['none', '1.3 pha', 'client-self', 'd2', 'ended, asked 1'],
    ['none', '1.3 pha', 'client-expired', 'none', '200 NONE'],
    ['none', '1.3 pha', 'client-expired', 'opt', 'ended, asked 1'],
    ['none', '1.3 pha', 'client-expired', 'req', 'ended, asked 1'],
    ['none', '1.3 pha', 'client-expired', 'noca', 'ended, asked 1'],
    ['none', '1.3 pha', 'client-expired', 'd0', 'ended, asked 1'],
    ['none', '1.3 pha', 'client-expired', 'd2', 'ended, asked 1'],
    ['none', '1.3 pha', 'client-inter', 'none', '200 NONE'],
    ['none', '1.3 pha', 'client-inter', 'opt', 'ended, asked 1'],
    ['none', '1.3 pha', 'client-inter', 'req', 'ended, asked 1'],
    ['none', '1.3 pha', 'client-inter', 'noca', 'ended, asked 1'],
    ['none', '1.3 pha', 'client-inter', 'd0', 'ended, asked 1'],
    ['none', '1.3 pha', 'client-inter', 'd2', '200 SUCCESS, asked 1'],
    ['none', '1.3 pha', 'client', 'req req', '200 SUCCESS, asked 1 | 200 SUCCESS'],
    ['none', '1.3 pha', 'client', 'opt req', '200 SUCCESS, asked 1 | 200 SUCCESS', '200 SUCCESS, asked 1 | 403'],
    ['none', '1.3 pha', 'client', 'noca req', '200 SUCCESS, asked 1 | 200 SUCCESS', '200 SUCCESS, asked 1 | 403'],
    ['none', '1.3 pha', 'client', 'req none req', '200 SUCCESS, asked 1 | 200 SUCCESS | 200 SUCCESS'],
    ['none', '1.3 pha', 'client', 'none req', '200 NONE | 200 SUCCESS, asked 1'],
    ['none', '1.3 pha', 'client', 'oreq oreq', '200 SUCCESS, asked 1 | 200 SUCCESS'],
    ['none', '1.3 pha', 'client', 'oopt oreq', '200 SUCCESS, asked 1 | 200 SUCCESS', '200 SUCCESS, asked 1 | 403'],
    ['none', '1.3 pha', 'client', 'sat', '200 SUCCESS, asked 1'],
    ['none', '1.3 pha', 'client', 'depth0', '200 NONE'],
    ['none', '1.3 pha', 'client', 'd2 depth0', '200 SUCCESS, asked 1 | 200 SUCCESS'],
    ['none', '1.3 pha', 'nobody', 'opt opt opt', '200 NONE, asked 1 | 200 NONE | 200 NONE'],
    ['none', '1.3 pha', 'nobody', 'opt req', '200 NONE, asked 1 | ended, asked 1', '200 NONE, asked 1 | 403'],
    ['none', '1.3 pha', 'nobody', 'sat', 'ended, asked 1'],
    ['none', '1.3 pha', 'nobody', 'oreq', 'ended, asked 1'],
    ['none', '1.3 pha', 'client-inter', 'd2 req', '200 SUCCESS, asked 1 | ended, asked 1', '200 SUCCESS, asked 1 | 200 SUCCESS'],
    ['none', '1.3 pha', 'client-inter', 'req d2', 'ended, asked 1'],
    ['none', '1.3 pha', 'client-self', 'noca req', '200 FAILED, asked 1 | ended, asked 1', '200 FAILED, asked 1 | 403'],
    ['opt', '1.3 pha', 'client', 'none', '200 SUCCESS'],
    ['opt', '1.3 pha', 'client', 'req', '200 SUCCESS', '403'],
    ['opt', '1.3 pha', 'client', 'd0', 'ended, asked 1', '403'],
    ['opt', '1.3 pha', 'client', 'depth0', 'ended, asked 1', '403'],
    ['opt', '1.3 pha', 'client', 'noca', '200 SUCCESS'],
    ['opt', '1.3 pha', 'nobody', 'opt', '200 NONE'],
    ['opt', '1.3 pha', 'nobody', 'req', 'ended, asked 1', '403'],
    ['opt', '1.3 pha', 'nobody', 'depth0', '200 NONE', '403'],
    ['req', '1.3 pha', 'client', 'none', '200 SUCCESS'],
    ['req', '1.3 pha', 'client', 'req', '200 SUCCESS'],
    ['req', '1.3 pha', 'client', 'd0', 'ended, asked 1', '403'],
    ['req', '1.3 pha', 'client', 'd2', '200 SUCCESS'],
    ['req', '1.3 pha', 'client', 'depth0', 'ended, asked 1', '403'],
    ['noca', '1.3 pha', 'client-self', 'none', '200 FAILED'],
    ['noca', '1.3 pha', 'client-self', 'opt', '200 FAILED'],
    ['noca', '1.3 pha', 'client-self', 'req', 'ended, asked 1', '403'],
    ['d2opt', '1.3 pha', 'client-inter', 'none', '200 SUCCESS'],
    ['d2opt', '1.3 pha', 'client-inter', 'req', '200 SUCCESS', '403'],
    ['d2opt', '1.3 pha', 'client-inter', 'd2', '200 SUCCESS', '403'],
    ['d2opt', '1.3 pha', 'client-inter', 'd0', 'ended, asked 1', '403'],
    ['none', '1.3', 'nobody', 'none', '200 NONE'],
    ['none', '1.3', 'nobody', 'opt', '403'],
    ['none', '1.3', 'nobody', 'req', '403'],
    ['none', '1.3', 'nobody', 'noca', '403'],
    ['none', '1.3', 'nobody', 'sat', '403', '200 NONE'],
    ['none', '1.3', 'nobody', 'req none req', '403 | 200 NONE | 403'],
    ['none', '1.3', 'client', 'none', '200 NONE'],
    ['none', '1.3', 'client', 'opt', '403'],
    ['none', '1.3', 'client', 'req', '403'],
    ['opt', '1.3', 'client', 'opt', '200 SUCCESS'],
    ['opt', '1.3', 'client', 'req', '200 SUCCESS', '403'],
    ['req', '1.3', 'client', 'req', '200 SUCCESS'],
);
for my $case (@CASES) {
    my ($host, $version, $client, $paths, $ours, $stock) = @$case;
    my $got = ask($h, [map { "/cgi/env/$_" } split ' ', $paths], port => $host, @{ $VERSIONS{$version} },
                  $client eq 'nobody' ? () : (client => $client));
    is($got, is_stock() && defined $stock ? $stock : $ours, "host $host, TLS $version, $client: $paths") or diag $tls_error, "\n", join "\n", grep { defined } (split /\n/, $h->errorlog)[-12 .. -1];
}

sub get {
    my ($version, $client, $path, %o) = @_;
    my $s = tls_connect(port => $h->port('none'), @{ $VERSIONS{$version} }, $client ? (client => $client) : (), %o) or return { status => 'refused', body => '' };
    return http_get($s, $path, 'localhost') || { status => 'ended', body => '' };
}

for my $version ('1.2', '1.3 pha') {
    subtest "TLS $version: ways to a directory" => sub {
        # [path, with a certificate, without one]
        for my $way (['/secret/', 'the secret'], ['/page.shtml', "before the secret\n after"], ['/rewritten/x', 'the secret'],
                     ['/ht/', 'the secret of .htaccess']) {
            my ($path, $text) = @$way;
            my $r = get($version, 'client', $path);
            is($r->{status}, 200, "$path: served to a client with a certificate");
            like($r->{body}, qr/^\Q$text\E/, "$path: the page");
            $r = get($version, undef, $path);
            unlike($r->{body}, qr/secret/, "$path: nothing of it without one");
        }
    };

    subtest "TLS $version: variables" => sub {
        my $s = tls_connect(port => $h->port('none'), @{ $VERSIONS{$version} }, client => 'client') or BAIL_OUT($tls_error);
        my $r = http_get($s, '/cgi/env/none', 'localhost');
        unlike($r->{body}, qr/^SSL_CLIENT_S_DN/m, 'no certificate before');
        $r = http_get($s, '/cgi/env/req', 'localhost');
        my %want = (SSL_CLIENT_VERIFY => 'SUCCESS', SSL_CLIENT_S_DN_CN => 'Test Client', SSL_CLIENT_I_DN_CN => 'Test Root CA',
                    SSL_PROTOCOL => $version =~ /3/ ? 'TLSv1.3' : 'TLSv1.2', SSL_SESSION_RESUMED => 'Initial', HTTPS => 'on');
        my %got = $r->{body} =~ /^(\w+)=(.*)$/mg;
        is($got{$_}, $want{$_}, $_) for sort keys %want;
        $r = http_get($s, '/cgi/env/none', 'localhost');
        like($r->{body}, qr/^SSL_CLIENT_S_DN_CN=Test Client$/m, 'the certificate stays with the connection');
    };

    # What a directory has asked for is not taken from one connection to the next by its session.
    subtest "TLS $version: resumption" => sub {
        my $s = tls_connect(port => $h->port('none'), @{ $VERSIONS{$version} }, client => 'client-inter') or BAIL_OUT($tls_error);
        is(describe(http_get($s, '/cgi/env/d2', 'localhost')), '200 SUCCESS', 'a certificate two CAs deep, where that is allowed');
        http_get($s, '/index.html', 'localhost');
        my $session = session($s);
        $s->close;
        for my $path ('d2', 'req', 'none') {
            my $again = tls_connect(port => $h->port('none'), @{ $VERSIONS{$version} }, session => $session) or BAIL_OUT($tls_error);
            my $r = http_get($again, "/cgi/env/$path", 'localhost');
            my $text = describe($r);
            is($text, $path eq 'none' ? '200 NONE' : 'ended', "resumed without a certificate: $path") if !is_stock();
            unlike($r ? $r->{body} : '', qr/Inter Client/, "resumed: $path: nobody's certificate") if !is_stock();
        }
        pass('the stock module resumes with the certificate') if is_stock();
    };

    # Requests that are sent before the server asks are neither lost nor answered out of order.
    subtest "TLS $version: pipelined" => sub {
        my $s = tls_connect(port => $h->port('none'), @{ $VERSIONS{$version} }, client => 'client') or BAIL_OUT($tls_error);
        my @paths = qw(/index.html /secret/ /index.html /cgi/env/req /opt/);
        my $text = join '', map { "GET $_ HTTP/1.1\r\nHost: localhost\r\n\r\n" } @paths;
        syswrite $s, $text;
        my @bodies = map { my $r = read_response($s); $r ? $r->{body} : 'none' } 1 .. @paths;
        is($bodies[0], "It works\n", 'before');
        is($bodies[1], "the secret\n", 'what asks');
        # the stock module then ends the connection
        SKIP: {
            skip 'the stock module ends the connection', 3 if is_stock() && $version eq '1.2';
            is($bodies[2], "It works\n", 'after it');
            like($bodies[3], qr/^SSL_CLIENT_S_DN_CN=Test Client$/m, 'after it: with the certificate');
            is($bodies[4], "optional\n", 'the last');
        }
    };
}

subtest 'the log' => sub {
    plan(skip_all => 'the wording is ours') if is_stock();
    for my $case (['1.3', 'client', qr/AH10158: access to \/secret\/ failed: .*TLS 1\.3.*did not offer.*post_handshake_auth.*SSLProtocol/],
                  ['1.2', undef, qr/AH02261: access to \/secret\/ failed: the handshake that it needs did not succeed; the connection is closed/],
                  ['1.3 pha', 'client2', qr/AH02276: client certificate refused/]) {
        my ($version, $client, $pattern) = @$case;
        $h->log_mark;
        get($version, $client, '/secret/');
        ok($h->errorlog_like($pattern), "TLS $version, " . ($client // 'nobody')) or diag $h->errorlog;
    }
    my $r = get('1.3', undef, '/secret/');
    is($r->{body}, "the error document\n", 'without post-handshake authentication: an ordinary 403');
};

subtest 'a client that does not answer' => sub {
    my $s = tls_connect(port => $h->port('none'), version => '1.2') or BAIL_OUT($tls_error);
    syswrite $s, "GET /secret/ HTTP/1.1\r\nHost: localhost\r\n\r\n";
    $s->close(SSL_no_shutdown => 1);
    ok(ModSSL::Httpd::wait_for(10, sub { $h->accesslog =~ m{GET /secret/ HTTP/1\.1" 403}  }), 'it is a 403');
};

ok($h->alive, 'the server is up');
unlike($h->errorlog, qr/exit signal|Segmentation/, 'no crash');
ok($h->stop, 'and stops');
done_testing;
