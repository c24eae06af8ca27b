# The directives of this module that may stand in .htaccess do there what they do in <Directory>, where AllowOverride
# lets them; SSLRequireSSL denies plain HTTP.
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use ModSSL::Httpd qw(is_stock);
use ModSSL::Client qw(:all);

my $h = ModSSL::Httpd->new(listen => [qw(https plain)], config => <<'CONF');
<Directory @htdocs@/auth>
    AllowOverride AuthConfig
</Directory>
<Directory @htdocs@/opts>
    AllowOverride Options
</Directory>
<Directory @htdocs@/none>
    AllowOverride None
</Directory>
<Directory @htdocs@/fileinfo>
    AllowOverride FileInfo
</Directory>
AddHandler cgi-script .cgi
LogFormat "%u" user
<VirtualHost *:@port:https@>
    ServerName rsa.test
    SSLEngine on
    SSLCertificateFile    @pki@/rsa.crt
    SSLCertificateKeyFile @pki@/rsa.key
    SSLCACertificateFile  @pki@/ca.crt
    SSLVerifyClient optional
    CustomLog logs/users user
</VirtualHost>
<VirtualHost *:@port:plain@>
</VirtualHost>
CONF
for my $dir (qw(all auth opts none fileinfo)) {
    $h->file("htdocs/$dir/index.html", "It works\n");
    chmod 0755, $h->file("htdocs/$dir/env.cgi", "#!/bin/sh\nprintf 'Content-Type: text/plain\\n\\n'\nenv\n");
}
$h->start or die $h->why;

# The response over TLS (with a client certificate) or plain, with this .htaccess
sub get {
    my ($dir, $htaccess, $path, %o) = @_;
    $h->file("htdocs/$dir/.htaccess", "$htaccess\n");
    my $sock = $o{plain} ? raw_connect($h->port('plain'))
        : tls_connect(port => $h->port, sni => 'rsa.test', version => '1.2', $o{anonymous} ? () : (client => 'client'));
    return { status => "no TLS: $tls_error", body => '' } if !$sock;
    return http_get($sock, "/$dir/$path", 'rsa.test', close => 1, headers => $o{headers} || {}) || { status => 'no answer', body => '' };
}

sub status { return get(@_)->{status} }

subtest 'SSLRequireSSL' => sub {
    is(status('all', 'SSLRequireSSL', '', plain => 1), 403, 'plain HTTP is denied');
    is(status('all', 'SSLRequireSSL', ''), 200, 'TLS is served');
    is(status('all', '', '', plain => 1), 200, 'without it plain HTTP is served');
    is(status('all', "SSLRequireSSL\nSatisfy Any\nRequire all granted", '', plain => 1), 200, 'Satisfy Any lets plain HTTP in');
    # a password, by which the stock module too tells StrictRequire
    $h->file('passwords', "user:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\n");
    my $basic = "SSLRequireSSL\nSatisfy Any\nRequire valid-user\nAuthType Basic\nAuthName x\nAuthBasicProvider file\nAuthUserFile "
              . $h->root . "/passwords";
    my %with = (headers => { Authorization => 'Basic dXNlcjpzZWNyZXQ=' });
    is(status('all', $basic, '', plain => 1), 401, 'Satisfy Any and no password');
    is(status('all', $basic, '', plain => 1, %with), 200, 'Satisfy Any and a password');
    is(status('all', "$basic\nSSLOptions +StrictRequire", '', plain => 1, %with), 403, 'not with StrictRequire');
    is(status('all', "$basic\nSSLOptions +StrictRequire", '', %with), 200, 'but over TLS');
    is(status('auth', 'SSLRequireSSL', '', plain => 1), 403, 'AllowOverride AuthConfig suffices');
    is(status('none', 'SSLRequireSSL', '', plain => 1), 200, 'AllowOverride None: not read');
    $h->log_mark;
    is(status('all', 'SSLRequireSSL', '', plain => 1), 403, 'denied');
    ok($h->errorlog_like(qr/access to .*failed, reason: SSL connection required/), 'and the log says why');
};

subtest 'Require ssl' => sub {
    is(status('all', 'Require ssl', '', plain => 1), 403, 'plain HTTP is denied');
    is(status('all', 'Require ssl', ''), 200, 'TLS is served');
    is(status('all', 'Require not ssl', ''), 500, 'a negation alone is an error of authz_core');
    is(status('all', "<RequireAll>\nRequire all granted\nRequire not ssl\n</RequireAll>", ''), 403, 'negated: TLS is denied');
    is(status('all', "<RequireAll>\nRequire all granted\nRequire not ssl\n</RequireAll>", '', plain => 1), 200, 'negated: plain is served');
    is(status('all', 'Require ssl-verify-client', ''), 200, 'a client certificate');
    is(status('all', 'Require ssl-verify-client', '', anonymous => 1), 403, 'none');
    is(status('all', 'Require ssl-verify-client', '', plain => 1), 403, 'no TLS');
};

subtest 'SSLOptions' => sub {
    my $pattern = qr/^SSL_PROTOCOL=TLSv1\.2$/m;
    unlike(get('all', '', 'env.cgi')->{body}, $pattern, 'no variables unasked');
    like(get('all', 'SSLOptions +StdEnvVars', 'env.cgi')->{body}, $pattern, '+StdEnvVars');
    unlike(get('all', 'SSLOptions -StdEnvVars', 'env.cgi')->{body}, $pattern, '-StdEnvVars');
    like(get('opts', 'SSLOptions +StdEnvVars', 'env.cgi')->{body}, $pattern, 'AllowOverride Options suffices');
    is(status('auth', 'SSLOptions +StdEnvVars', 'env.cgi'), 500, 'AllowOverride AuthConfig does not');
    like(get('all', 'SSLOptions +ExportCertData', 'env.cgi')->{body}, qr/^SSL_SERVER_CERT=-----BEGIN CERTIFICATE-----$/m, '+ExportCertData');
    like(get('all', 'SSLOptions +ExportCertData', 'env.cgi')->{body}, qr/^SSL_CLIENT_CERT=-----BEGIN CERTIFICATE-----$/m, 'the client certificate too');
    is(status('all', 'SSLOptions +NoSuchOption', ''), 500, 'an unknown option');
};

subtest 'SSLUserName' => sub {
    is(status('all', "SSLUserName SSL_CLIENT_S_DN_CN", ''), 200, 'served');
    ok(ModSSL::Httpd::wait_for(5, sub { $h->accesslog('users') =~ /^Test Client$/m }), 'the user is the common name');
    is(status('auth', "SSLUserName SSL_CLIENT_S_DN_Email", ''), 200, 'AllowOverride AuthConfig suffices');
    ok(ModSSL::Httpd::wait_for(5, sub { $h->accesslog('users') =~ /^client\@example\.test$/m }), 'the user is the address');
    is(status('fileinfo', 'SSLUserName SSL_CLIENT_S_DN_CN', ''), 500, 'AllowOverride FileInfo does not');
};

subtest 'SSLRequire' => sub {
    is(status('all', 'SSLRequire %{SSL_CLIENT_S_DN_CN} eq "Test Client"', ''), 200, 'true');
    is(status('all', 'SSLRequire %{SSL_CLIENT_S_DN_CN} eq "somebody else"', ''), 403, 'false');
    is(status('all', 'SSLRequire %{SSL_CLIENT_S_DN_CN} in {"x", "Test Client"}', '', anonymous => 1), 403, 'no certificate');
    is(status('all', 'SSLRequire %{HTTPS} eq "on"', ''), 200, 'HTTPS');
    is(status('all', 'SSLRequire %{SSL_CIPHER_USEKEYSIZE} >= 128', ''), 200, 'a number');
    is(status('all', 'SSLRequire %{SSL_CIPHER_USEKEYSIZE} >= 1024', ''), 403, 'too small a number');
    is(status('all', 'SSLRequire %{SSL_CIPHER} !~ m/AES|CHACHA/', ''), 403, 'a pattern');
    is(status('all', 'SSLRequire (', ''), 500, 'an expression that cannot be read');
    is(status('opts', 'SSLRequire true', ''), 500, 'AllowOverride Options does not allow it');
    is(status('all', 'Require expr %{SSL_CLIENT_S_DN_CN} == "Test Client"', ''), 200, 'Require expr: true');
    is(status('all', 'Require expr %{SSL_CLIENT_S_DN_CN} == "x"', ''), 403, 'Require expr: false');

    # CVE-2026-59797: whoever may write .htaccess must not read files by it that the server's user may read.
    my $secret = $h->file('secret', "the secret\n");
    my %answer = map { $_ => status('all', qq(SSLRequire file("$secret") =~ m/$_/), '') } 'the secret', 'nothing of it';
    is($answer{'the secret'}, $answer{'nothing of it'}, 'file(): the answer does not depend on the contents');
    isnt($answer{'the secret'}, 200, 'and is not to serve');
};

subtest 'what .htaccess must not hold' => sub {
    for my $line ('SSLEngine off', 'SSLProtocol all', 'SSLCertificateFile x', 'SSLSessionCache none', 'SSLProxyEngine on',
                  'SSLSessionTickets off', 'SSLOpenSSLConfCmd Curves P-256', 'SSLCACertificateFile x', 'SSLCARevocationCheck none') {
        $h->log_mark;
        is(status('all', $line, ''), 500, $line);
        ok($h->errorlog_like(qr/\.htaccess: /), 'with a reason');
    }
};

is(status('all', '', ''), 200, 'and an empty one serves');
ok($h->alive, 'the server is up');
unlike($h->errorlog, qr/exit signal|Segmentation/, 'no crash');
done_testing;
