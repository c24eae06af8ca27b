# mod_nss CVE-2013-4566: "none" for the server and "require" for a directory let everybody into the directory. So it must be in
# every kind of section, also when a request comes there by itself or by another request.
use strict;
use warnings;
use Test::More;
use ModSSL::Httpd qw(have_module);
use ModSSL::Client qw(:all);

my $h = ModSSL::Httpd->new(modules => [qw(rewrite include dir alias)], config => <<'END');
RewriteEngine on
<VirtualHost *:@port:https@>
    ServerName rsa.test
    SSLEngine on
    SSLCertificateFile    @pki@/rsa.crt
    SSLCertificateKeyFile @pki@/rsa.key
    SSLCACertificateFile  @pki@/ca.crt
    SSLVerifyClient none
    <Directory @htdocs@/directory>
        SSLVerifyClient require
    </Directory>
    <Directory @htdocs@/htaccess>
        AllowOverride AuthConfig
    </Directory>
    <Directory @htdocs@>
        <Files "files.html">
            SSLVerifyClient require
        </Files>
        <FilesMatch "match\.html$">
            SSLVerifyClient require
        </FilesMatch>
        <If "%{REQUEST_URI} == '/if.html'">
            SSLVerifyClient require
        </If>
    </Directory>
    <Location /location>
        SSLVerifyClient require
    </Location>
    <LocationMatch "^/any.*/locationmatch">
        SSLVerifyClient require
    </LocationMatch>
    <Directory @htdocs@/overridden>
        SSLVerifyClient require
    </Directory>
    <Directory @htdocs@/overridden/below>
        SSLOptions +StdEnvVars
    </Directory>
    Alias /alias @htdocs@/directory
    RewriteEngine on
    RewriteRule ^/rewritten$ /directory/index.html [PT]
</VirtualHost>
END
$h->file("htdocs/$_", "the secret\n")
    for qw(directory/index.html htaccess/index.html files.html some-match.html if.html location/index.html any/locationmatch/index.html overridden/below/index.html);
$h->file('htdocs/htaccess/.htaccess', "SSLVerifyClient require\n");
$h->start or BAIL_OUT($h->why);

for my $path (qw(/directory/ /directory/index.html /directory//index.html /x/../directory/ /%64irectory/ /htaccess/ /files.html /some-match.html
                 /location/ /any/locationmatch/ /overridden/below/ /alias/ /rewritten /if.html)) {
    for my $version ('1.2', '1.3') {
        for my $who ([], [client => 'client2']) {
            my $s = tls_connect(port => $h->port, sni => 'rsa.test', version => $version, @$who) or BAIL_OUT($tls_error);
            my $r = http_get($s, $path, 'rsa.test');
            unlike($r ? $r->{body} : '', qr/secret/, "TLS $version: $path: not for " . ($who->[1] // 'nobody'));
        }
        my $s = tls_connect(port => $h->port, sni => 'rsa.test', version => $version, client => 'client') or BAIL_OUT($tls_error);
        my $r = http_get($s, $path, 'rsa.test');
        is($r && $r->{body}, "the secret\n", "TLS $version: $path: for a client who is known");
    }
}
done_testing;
