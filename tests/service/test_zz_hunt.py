# raw nasties at the service that schemathesis does not make
import sys,requests,json
sys.path.insert(0,'/work/main')
def test_hunt(served):
    from tests.service.seeds import World
    from tests.service import official
    w=World(served); out=[]
    def go(method,path,**k):
        try: r=w.session.request(method,w.url+path,timeout=20,**k)
        except Exception as e: out.append((method,path[:80],'EXC',repr(e)[:150])); return
        if r.status_code>=500: out.append((method,path[:80],str(k)[:200],r.status_code,r.text[:200]))
    postit=w.postit(); f=w.file()
    for t in ("0001-01-01T00:00:00+09:00","9999-12-31T23:59:59-09:00","0001-01-01T00:00:00Z","2026-01-01","2026-02-30T00:00:00Z","1e9",""):
        go('PATCH',f'/v3/files/postits/{postit}',json={"expiration":t})
    for n in (10**30,-1,0,2**31,2**63,2**64,1.5,"x",None,True,[],{}):
        go('POST',f'/v3/files/postits/{w.place}/{f}',json={"allowedUses":n,"validSeconds":n})
        go('PATCH',f'/v3/files/postits/{postit}',json={"allowedUses":n})
        go('POST',f'/v3/jobs/submit',json=w.job_body(nodeCount=n,coresPerNode=n,memoryMB=n,maxMinutes=n))
        go('POST',f'/v3/jobs/submit',json=w.job_body(maxMinutes=n))
        go('POST','/v3/systems?skipCredentialCheck=true',json=w.system_body(jobMaxJobs=n,port=n))
        go('POST','/v3/apps',json=w.app_body(maxJobs=n))
        go('POST',f'/v3/jobs/subscribe/{w.busy}',json={**w.subscription_body(),"ttlMinutes":n})
    for q in ('limit','skip','offset','startAfter','orderBy','computeTotal','select','search','listType','showDeleted','more','zip','recurse'):
        for v in ('99999999999999999999999','-1','1e5','NaN','\x00','%00','a(desc),b(asc)','created(desc)','(','~','(a.eq.','(id.like.*)~(','\ud800'.encode('utf-8','surrogatepass').decode('latin1'),'a'*9000,'created','id','١٢'):
            for p in ('/v3/jobs/list','/v3/jobs/search','/v3/systems','/v3/apps','/v3/systems/search','/v3/apps/search','/v3/files/transfers','/v3/files/postits','/v3/oauth2/clients','/v3/oauth2/profiles','/v3/sites',f'/v3/files/ops/{w.place}/',f'/v3/jobs/{w.done}/history',f'/v3/jobs/{w.done}/output/list/'):
                go('GET',p,params={q:v})
    for attr in ('status','created','id','nodeCount','tags','notes','fileInputs','visible','uuid','remoteStarted','blockedCount','isMpi','enabled','jobAttributes','rootDir','updated','maxJobs','port'):
        for op in ('eq','neq','gt','gte','lt','lte','in','nin','like','nlike','between','nbetween','contains','ncontains','xx',''):
            for v in ('','a','1','a,b','1,2','2026','2026-01','2026-13-45','NaN','99999999999999999999','\x00','*!%_\\','true',"'",'null'):
                for p in ('/v3/jobs/search','/v3/systems/search','/v3/apps/search'):
                    go('GET',p,params={f'{attr}.{op}' if op else attr:v})
    for s in ("status = 'FINISHED'","status = ","(((((","status BETWEEN 1 AND","status IN ()","a = 'b' OR","NOT","'"," "*5000,"status = 'a' "+" OR status='a'"*3000,"("*3000+"status='a'"+")"*3000,"id = 99999999999999999999999","created > '2026'","nodeCount BETWEEN 1 AND 'x'","tags = 'a'","name LIKE '%\\'","\x00","-- x","name = 'a\ud800'"):
        for p in ('/v3/jobs/search','/v3/systems/search','/v3/apps/search'):
            go('POST',p,data=json.dumps({"search":[s]}),headers={'content-type':'application/json'})
        go('POST','/v3/systems/match/constraints',data=json.dumps({"match":[s]}),headers={'content-type':'application/json'})
    deep='['*100000
    for b in (b'',b'null',b'1',b'"x"',b'[]',b'{}',deep.encode(),b'{"a":'*5000+b'1'+b'}'*5000,b'\xff\xfe',b'{"name":"\xed\xa0\x80"}',b'{"a":1,"a":2}',b'{"name":NaN}',b'{"x":1e999}',b'\0'*10):
        for spec in official.SPECS:
            for o in official.operations(spec):
                if o.method in('POST','PUT','PATCH'):
                    import re
                    p=re.sub(r'\{(\w+)\}',lambda m:{'systemId':w.place,'appId':w.hello,'appVersion':'1.0','jobUuid':w.done,'path':f,'postitId':postit}.get(m[1],'x'),o.path)
                    if o.operation_id in('insert','cancelJob','deleteSystem','deleteApp','disableSystem','disableApp','hideJob','resubmitJob','disableAppVersion','changeSystemOwner','changeAppOwner'): continue
                    go(o.method,p,data=b,headers={'content-type':'application/json'})
    for name in ('a'*300,'..','../x','%2e%2e/x','%2e%2e%2f%2e%2e%2fetc%2fpasswd','/etc/passwd','a%00b','%ff','%ed%a0%80','a\nb','x/'*2000,'con*?[','~','-rf','é'*200):
        for m,p,k in (('GET','/v3/files/ops/%s/',{}),('GET','/v3/files/content/%s/',{}),('GET','/v3/files/content/%s/',{'params':{'zip':'true'}}),('GET','/v3/files/utils/linux/%s/',{}),('POST','/v3/files/ops/%s/',{'files':{'file':('x',b'1')}}),('DELETE','/v3/files/ops/%s/',{}),('POST','/v3/files/postits/%s/',{'json':{}}),('GET','/v3/files/permissions/%s/',{}),('PUT','/v3/files/ops/%s/',{'json':{'operation':'COPY','newPath':'q'}})):
            go(m,p%w.place+name,**k)
        go('PUT',f'/v3/files/ops/{w.place}/{f}',json={'operation':'COPY','newPath':name})
        go('POST',f'/v3/files/ops/{w.place}',json={'path':name})
        go('GET',f'/v3/jobs/{w.done}/output/list/{name}'); go('GET',f'/v3/jobs/{w.done}/output/download/{name}')
        for key in ('execSystemExecDir','execSystemInputDir','execSystemOutputDir','archiveSystemDir','name','description','execSystemLogicalQueue','mpiCmd','cmdPrefix'):
            go('POST','/v3/jobs/submit',json=w.job_body(**{key:name}))
        go('POST','/v3/jobs/submit',json=w.job_body(fileInputs=[{'name':name,'sourceUrl':w.uri(f),'targetPath':name}]))
        go('POST','/v3/jobs/submit',json=w.job_body(fileInputs=[{'name':name,'sourceUrl':name,'targetPath':'x'}]))
        go('POST','/v3/jobs/submit',json=w.job_body(parameterSet={'envVariables':[{'key':name,'value':name}],'archiveFilter':{'includes':[name,'REGEX:(a+)+$','REGEX:('],'excludes':[name]},'logConfig':{'stdoutFilename':name,'stderrFilename':name},'schedulerOptions':[{'name':'a','arg':name}],'containerArgs':[{'name':'a','arg':name}]}))
        go('POST','/v3/files/transfers',json={'elements':[{'sourceURI':w.uri(name),'destinationURI':w.uri('z')}]})
        go('POST','/v3/files/transfers',json={'elements':[{'sourceURI':name,'destinationURI':name}]})
    for rng in ('0,0','5,1','-1,5','a,b','0,99999999999999999999',',','bytes=0-1','0,','1'):
        go('GET',f'/v3/files/content/{w.place}/{f}',headers={'range':rng}); go('GET',f'/v3/files/content/{w.place}/{f}',headers={'more':rng})
    for pat in ('*','regex:(','regex:(a+)+$','[','**','regex:.*','{a,b}','\\'):
        go('GET',f'/v3/files/ops/{w.place}/',params={'pattern':pat,'recurse':'true'})
    for m in ('TRACE','HEAD','PROPFIND','OPTIONS','PUT'):
        go(m,'/v3/jobs/list'); go(m,'/nowhere')
    import time; time.sleep(3)
    print('5xx:',len(out)); 
    for o in out[:60]: print(o)
    print('complaints',len(w.watch.complaints)); [print(c[:300]) for c in w.watch.complaints[:40]]
    bad=[j for j in w._jobs() if j['status'] not in ('FINISHED','FAILED','CANCELLED')]
    print('active',len(bad),[j['status'] for j in bad][:10], len(w._jobs()))
    import collections; print(collections.Counter((j['status'],j['condition']) for j in w._jobs()))
    print(sorted(x.name for x in w.root.parent.iterdir()), sorted(x.name for x in w.root.iterdir())[:30])
    w.close()
