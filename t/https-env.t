# What scripts, rewrite rules, redirects, access rules and headers see of TLS: HTTPS and SSL_TLS_SNI always, the standard
# variables with +StdEnvVars, the scheme and port of addresses that httpd makes up.
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use ModSSL::Httpd;
use ModSSL::Client qw(:all);

sub server {
    my ($name, %o) = @_;
    my $h = ModSSL::Httpd->new(name => "https-env-$name", listen => [qw(https plain)], %o, config => <<'CONF');
<Location /std>
    SSLOptions +StdEnvVars
</Location>
ScriptAlias /std/ @root@/cgi/
<Location /require-ssl>
    Require ssl
</Location>
<Location /ssl-require-ssl>
    SSLRequireSSL
</Location>
<Location /expr>
    Require expr %{HTTPS} == 'on'
</Location>
<Location /expr-cipher>
    Require expr %{SSL:SSL_PROTOCOL} =~ /^TLSv1\.[23]$/
</Location>
Header always set X-Https "%{HTTPS}s"
Header always set X-Protocol "%{SSL_PROTOCOL}s" "expr=-n %{SSL:SSL_PROTOCOL}"
Header always set X-Expr "expr=%{HTTPS} %{REQUEST_SCHEME} %{SSL:SSL_TLS_SNI}"
Header always set Strict-Transport-Security "max-age=63072000" env=HTTPS
Alias /require-ssl     @htdocs@
Alias /ssl-require-ssl @htdocs@
Alias /expr-cipher     @htdocs@
Alias /expr            @htdocs@
Alias /sub             @htdocs@
SetEnvIf Request_URI ^ SEEN=yes
<VirtualHost 127.0.0.1:@port:https@>
    ServerName rsa.test
    SSLEngine on
    SSLCertificateFile    @pki@/rsa.crt
    SSLCertificateKeyFile @pki@/rsa.key
    RewriteEngine on
    RewriteRule ^/rewrite$ /cgi/env?https=%{HTTPS}&scheme=%{REQUEST_SCHEME}&ssl=%{SSL:SSL_PROTOCOL}&sni=%{SSL:SSL_TLS_SNI}&env=%{ENV:HTTPS} [PT,QSA]
    RewriteCond %{HTTPS} off
    RewriteRule ^ https://%{SERVER_NAME}:1%{REQUEST_URI} [R=301,L]
</VirtualHost>
<VirtualHost 127.0.0.1:@port:https@>
    ServerName canonical.test:8443
    ServerAlias alias.test
    UseCanonicalName on
    SSLEngine on
    SSLCertificateFile    @pki@/rsa.crt
    SSLCertificateKeyFile @pki@/rsa.key
</VirtualHost>
<VirtualHost 127.0.0.1:@port:https@>
    ServerName bare.test
    UseCanonicalName on
    UseCanonicalPhysicalPort off
    SSLEngine on
    SSLCertificateFile    @pki@/rsa.crt
    SSLCertificateKeyFile @pki@/rsa.key
</VirtualHost>
<VirtualHost 127.0.0.1:@port:https@>
    ServerName scheme.test
    SSLEngine on
    SSLCertificateFile    @pki@/rsa.crt
    SSLCertificateKeyFile @pki@/rsa.key
    SetEnv HTTPS overridden
</VirtualHost>
<VirtualHost 127.0.0.1:@port:plain@>
    ServerName rsa.test
    RewriteEngine on
    RewriteRule ^/rewrite$ /cgi/env?https=%{HTTPS}&scheme=%{REQUEST_SCHEME}&ssl=%{SSL:SSL_PROTOCOL}&sni=%{SSL:SSL_TLS_SNI}&env=%{ENV:HTTPS} [PT,QSA]
    RewriteCond %{REQUEST_URI} ^/upgrade
    RewriteCond %{HTTPS} off
    RewriteRule ^ https://%{SERVER_NAME}%{REQUEST_URI} [R=301,L]
    RewriteCond %{REQUEST_URI} ^/upgrade2
    RewriteCond %{HTTPS} !=on
    RewriteRule ^/?(.*) https://%{HTTP_HOST}/$1 [R=302,L]
</VirtualHost>
CONF
    $h->file('htdocs/dir/index.html', "dir\n");
    $h->start or die $h->why;
    return $h;
}

sub get {
    my ($h, $port, $path, $host) = @_;
    $host ||= 'rsa.test';
    my $s = $port eq 'plain' ? raw_connect($h->port($port)) : tls_connect(port => $h->port($port), sni => $host =~ s/:.*//r);
    $s or die "no connection: $tls_error\n";
    return http_get($s, $path, $host, close => 1) || { status => 0, headers => {}, body => '' };
}

sub env_of {
    my ($r) = @_;
    return { $r->{body} =~ /^(\w+)=(.*)$/mg };
}

my @standard = qw(SSL_VERSION_INTERFACE SSL_VERSION_LIBRARY SSL_PROTOCOL SSL_SECURE_RENEG SSL_COMPRESS_METHOD SSL_CIPHER
    SSL_CIPHER_EXPORT SSL_CIPHER_USEKEYSIZE SSL_CIPHER_ALGKEYSIZE SSL_CLIENT_VERIFY SSL_SERVER_M_VERSION SSL_SERVER_M_SERIAL
    SSL_SERVER_V_START SSL_SERVER_V_END SSL_SERVER_S_DN SSL_SERVER_S_DN_CN SSL_SERVER_I_DN SSL_SERVER_I_DN_CN
    SSL_SERVER_A_KEY SSL_SERVER_A_SIG SSL_SESSION_ID SSL_SESSION_RESUMED SSL_SERVER_SAN_DNS_0 SSL_SERVER_SAN_DNS_1 SSL_SERVER_SAN_DNS_2);

my %server;
for my $kind ('cgid', 'cgi') {
    subtest "mod_$kind" => sub {
        plan skip_all => "no mod_$kind" if !ModSSL::Httpd::have_module($kind);
        # with worker and event mod_cgi is as good as mod_cgid for a test
        my $h = $server{$kind} = server($kind, $kind eq 'cgi' ? (without => ['cgid'], modules => ['cgi']) : ());
        my $env = env_of(get($h, 'https', '/cgi/env'));
        is($env->{HTTPS}, 'on', 'HTTPS');
        is($env->{SSL_TLS_SNI}, 'rsa.test', 'SSL_TLS_SNI');
        is($env->{REQUEST_SCHEME}, 'https', 'REQUEST_SCHEME');
        is($env->{SERVER_PORT}, 443, 'SERVER_PORT when Host has no port');
        my $port = $h->port('https');
        is(env_of(get($h, 'https', '/cgi/env', "rsa.test:$port"))->{SERVER_PORT}, $port, 'SERVER_PORT of the Host');
        is($env->{SERVER_NAME}, 'rsa.test', 'SERVER_NAME');
        is(join(' ', grep { /^SSL_/ } sort keys %$env), 'SSL_TLS_SNI', 'no other SSL_ variable without +StdEnvVars');

        $env = env_of(get($h, 'https', '/std/env'));
        is($env->{HTTPS}, 'on', 'HTTPS with +StdEnvVars');
        is(join(' ', grep { !defined $env->{$_} } @standard), '', 'all the standard ones with +StdEnvVars');
        my %known = map { $_ => 1 } @standard, 'SSL_TLS_SNI';
        is(join(' ', grep { /^SSL_/ && !$known{$_} } sort keys %$env), '', 'and no more');

        $env = env_of(get($h, 'plain', '/std/env'));
        is($env->{HTTPS}, undef, 'plain http: no HTTPS');
        is($env->{REQUEST_SCHEME}, 'http', 'plain http: REQUEST_SCHEME');
        is(join(' ', grep { /^SSL_/ } sort keys %$env), '', 'plain http: no SSL_ variable');

        my $s = tls_connect(port => $h->port('https')) or die $tls_error;
        $env = env_of(http_get($s, '/cgi/env', 'rsa.test', close => 1));
        is($env->{SSL_TLS_SNI}, undef, 'no server name from the client');
        $s = tls_connect(port => $h->port('https'), sni => 'RSA.test') or die $tls_error;
        $env = env_of(http_get($s, '/cgi/env', 'rsa.test', close => 1));
        is($env->{SSL_TLS_SNI}, 'RSA.test', 'the server name as the client writes it');
        $env = env_of(get($h, 'https', '/cgi/env', 'scheme.test'));
        is($env->{HTTPS}, 'on', 'SetEnv HTTPS');
        $s = tls_connect(port => $h->port('https'), sni => 'rsa.test') or die $tls_error;
        $env = env_of(http_get($s, '/std/env', 'rsa.test', close => 1, headers => { HTTPS => 'off', 'Ssl-Protocol' => 'none', 'Ssl_Cipher' => 'none' }));
        is("$env->{HTTPS} $env->{HTTP_HTTPS} $env->{SSL_PROTOCOL}", 'on off TLSv1.3', 'a client cannot set them by headers');
    };
}

my $h = $server{cgid} || $server{cgi};

subtest 'redirects' => sub {
    my $port = $h->port('https');
    for my $case (
        [ 'rsa.test',             '/dir', '301 https://rsa.test/dir/' ],
        [ 'canonical.test',       '/dir', '301 https://canonical.test:8443/dir/' ],
        [ 'alias.test',           '/dir', '301 https://canonical.test:8443/dir/' ],
        [ 'bare.test',            '/dir', '301 https://bare.test/dir/' ],
        [ "rsa.test:$port",       '/dir', '301 https://rsa.test:PORT/dir/' ],
        [ 'rsa.test:443',         '/dir', '301 https://rsa.test/dir/' ],
        [ 'rsa.test:9999',        '/dir', '301 https://rsa.test:9999/dir/' ],
    ) {
        my ($host, $path, $want) = @$case;
        my $s = tls_connect(port => $port, sni => $host =~ s/:.*//r) or die $tls_error;
        my $r = http_get($s, $path, $host, close => 1);
        (my $location = $r->{headers}{location} || 'none') =~ s/:$port\b/:PORT/;
        (my $shown = $host) =~ s/:$port\b/:PORT/;
        is("$r->{status} $location", $want, "a directory without a slash, Host $shown");
    }
    my $r = get($h, 'plain', '/dir');
    is("$r->{status} $r->{headers}{location}", '301 http://rsa.test/dir/', 'plain http');
};

subtest 'mod_rewrite' => sub {
    my $env = env_of(get($h, 'https', '/rewrite'));
    is($env->{QUERY_STRING}, 'https=on&scheme=https&ssl=TLSv1.3&sni=rsa.test&env=', 'variables over TLS');
    $env = env_of(get($h, 'plain', '/rewrite'));
    is($env->{QUERY_STRING}, 'https=off&scheme=http&ssl=&sni=&env=', 'variables over plain http');
    is(get($h, 'https', '/')->{status}, 200, 'a rule for %{HTTPS} off does not fire over TLS');
    my $r = get($h, 'plain', '/upgrade/x?y=z');
    is("$r->{status} $r->{headers}{location}", '301 https://rsa.test/upgrade/x?y=z', 'the classic recipe: HTTP to HTTPS');
    $r = get($h, 'plain', '/upgrade2/x', 'rsa.test');
    is("$r->{status} $r->{headers}{location}", '301 https://rsa.test/upgrade2/x', 'once only');
    is(get($h, 'plain', '/')->{status}, 200, 'other paths are served');
};

subtest 'access' => sub {
    for my $path ('/require-ssl/', '/ssl-require-ssl/', '/expr/', '/expr-cipher/') {
        is(get($h, 'https', $path)->{status}, 200, "$path over TLS");
        my $r = get($h, 'plain', $path);
        is($r->{status}, 403, "$path over plain http");
        unlike($r->{body}, qr/works/, "$path: without the page");
    }
};

subtest 'mod_headers' => sub {
    my $r = get($h, 'https', '/');
    is($r->{headers}{'x-https'}, 'on', '%{HTTPS}s');
    is($r->{headers}{'x-protocol'}, 'TLSv1.3', 'expr=');
    is($r->{headers}{'x-expr'}, 'on https rsa.test', 'values in an expression');
    is($r->{headers}{'strict-transport-security'}, 'max-age=63072000', 'env=HTTPS');
    $r = get($h, 'plain', '/');
    is($r->{headers}{'x-https'}, 'off', 'plain http: %{HTTPS}s');
    is($r->{headers}{'x-protocol'}, undef, 'plain http: expr=');
    is($r->{headers}{'x-expr'}, 'off http', 'plain http: values in an expression');
    is($r->{headers}{'strict-transport-security'}, undef, 'plain http: env=HTTPS');
};

done_testing;
